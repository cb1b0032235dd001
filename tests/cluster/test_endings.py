"""Watches that the server ends: at their time limit, and because their version has expired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from discovery import Balancer
from discovery.resolvers.kubernetes import KubernetesResolver
from tests.target import Target

from .door import Door
from .followed import Followed, following
from .services import READY, ByHand

ONE, OTHER = "198.19.2.1", "198.19.2.2"


@pytest.fixture
def door(target: Target) -> Iterator[Door]:
    with Door(target.client) as opened:
        yield opened


@pytest.fixture
def followed(target: Target, hand_made: ByHand, door: Door, caplog: pytest.LogCaptureFixture) -> Iterator[Followed]:
    """One that has ONE; whatever ends, it never is without a set, and never fails."""
    hand_made.write({ONE: READY})
    resolver = KubernetesResolver(hand_made.name, "http", namespace=target.namespace, config=door.configuration)
    with following(Balancer(resolver=resolver)) as found:
        found.until([ONE])
        found.sets.clear()
        yield found
        assert set() not in found.sets
        assert [record for record in caplog.get_records("call") if record.name == "discovery"] == []


def test_a_watch_that_the_server_ends_goes_on_where_it_was(hand_made: ByHand, door: Door, followed: Followed) -> None:
    begun = door.begun
    door.until(lambda: door.watched == 3)
    hand_made.write({OTHER: READY})
    followed.until([OTHER])
    assert door.begun == begun


def test_a_watch_whose_version_has_expired_begins_anew(
    target: Target, hand_made: ByHand, door: Door, followed: Followed
) -> None:
    begun = door.begun
    door.until(lambda: door.watched == 1)
    target.compact()
    door.next_version = "1"
    door.until(lambda: door.begun > begun)
    hand_made.write({OTHER: READY})
    followed.until([OTHER])
