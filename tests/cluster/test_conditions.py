"""Slices with the conditions that controllers write for pods on nodes, and as people write them; all by hand."""

from __future__ import annotations

import pytest

from discovery import Balancer
from tests.target import Target

from .followed import following
from .services import READY, TERMINATING, UNREADY, ByHand

ONE, OTHER = "198.19.0.1", "198.19.0.2"


@pytest.fixture
def balancer(target: Target, name: str) -> Balancer:
    return Balancer(f"kubernetes:///{name}.{target.namespace}:http")


def test_a_pod_is_followed_from_its_start_to_its_end(hand_made: ByHand, balancer: Balancer) -> None:
    with following(balancer) as followed:
        followed.until_refused("there is no such Service, or it has no selector")
        hand_made.write({ONE: UNREADY})
        followed.until_refused("none of its pods is ready")
        hand_made.write({ONE: READY, OTHER: UNREADY})
        followed.until([ONE])
        hand_made.write({ONE: READY, OTHER: READY})
        followed.until([ONE, OTHER])
        hand_made.write({ONE: TERMINATING, OTHER: READY})
        followed.until([OTHER])
        # Where none is ready, those that terminate and still serve are better than nothing.
        hand_made.write({ONE: TERMINATING, OTHER: UNREADY})
        followed.until([ONE])
        hand_made.write({ONE: {**TERMINATING, "serving": False}, OTHER: UNREADY})
        followed.until_refused("none of its pods is ready")
        hand_made.write({OTHER: READY})
        followed.until([OTHER])


def test_conditions_that_are_null_count_as_the_api_says(hand_made: ByHand, balancer: Balancer) -> None:
    with following(balancer) as followed:
        hand_made.write({ONE: {}, OTHER: {"ready": None, "serving": None, "terminating": None}})
        followed.until([ONE, OTHER])
        hand_made.write({ONE: {"ready": False, "terminating": True}, OTHER: {"ready": False}})
        followed.until([ONE])


def test_a_slice_of_dns_names_is_skipped_with_one_warning(
    hand_made: ByHand, balancer: Balancer, caplog: pytest.LogCaptureFixture
) -> None:
    hand_made.write({"pods.example.com": READY}, part="names", family="FQDN")
    hand_made.write({ONE: READY})
    with following(balancer) as followed:
        followed.until([ONE])
        hand_made.write({"pods.example.org": READY}, part="names", family="FQDN")
        hand_made.write({OTHER: READY})
        followed.until([OTHER])
    (record,) = [record for record in caplog.records if "skipped" in record.getMessage()]
    assert record.getMessage().endswith(f"slices of DNS names are skipped: {hand_made.name}-names")
