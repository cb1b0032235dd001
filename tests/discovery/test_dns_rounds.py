"""What the answers of DNS mean, and when to ask again: without a server and a clock."""

from __future__ import annotations

import pytest

from discovery.model import Endpoint
from discovery.resolvers import ResolverError
from discovery.resolvers._dns_rounds import Addresses, Answer, Polling, Question, Result, Services, Srv

NAME = "echo.shop.svc.cluster.local."
A, AAAA = Question(NAME, "A"), Question(NAME, "AAAA")
SRV = Question(f"_http._tcp.{NAME}", "SRV")
FOUR = Answer(("10.0.0.10", "10.0.0.9", "10.0.0.10"), ttl_s=30)
SIX = Answer(("fd00::1",), ttl_s=20)
NONE = Answer(ttl_s=5, why="nothing")
FAILED = Answer(failed=True, why="SERVFAIL")
NO_NAME: Result[str] = Result((), 30.0, "no such name")
HOSTS4 = Result(("10.0.0.9", "10.0.0.10"), 30.0)


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ({A: FOUR}, HOSTS4),
        ({AAAA: SIX}, None),
        ({AAAA: SIX, A: FOUR}, HOSTS4),
        ({AAAA: FAILED, A: FOUR}, HOSTS4),
        ({A: NONE}, None),
        ({A: NONE, AAAA: SIX}, Result(("fd00::1",), 20.0)),
        ({A: NONE, AAAA: NONE}, Result((), 5.0, "nothing")),
        ({A: FAILED}, Result((), 0.0, "SERVFAIL", failed=True)),
        ({AAAA: SIX, A: FAILED}, Result((), 0.0, "SERVFAIL", failed=True)),
        ({A: NONE, AAAA: FAILED}, Result((), 0.0, "SERVFAIL", failed=True)),
    ],
)
def test_the_addresses_are_those_of_one_family_and_known_as_soon_as_that_is(
    answers: dict[Question, Answer], result: Result[str] | None
) -> None:
    addresses = Addresses(NAME)
    assert addresses.begin() == (A, AAAA)
    for question, answer in answers.items():
        assert addresses.answered(question, answer) == ()
    assert addresses.result == result


def services(*records: str, **beside: str) -> tuple[Services, tuple[Question, ...]]:
    """A round that has its SRV answer, `PRIORITY WEIGHT PORT TARGET` each, and what it asks then."""
    found = Services(SRV.name)
    assert found.begin() == (SRV,)
    parsed = [record.split() for record in records]
    answer = Answer(
        services=tuple(Srv(int(first), int(weight), int(port), target) for first, weight, port, target in parsed),
        ttl_s=30,
        beside={f"{name}.": tuple(addresses.split(",")) for name, addresses in beside.items()},
    )
    return found, found.answered(SRV, answer)


def endpoints(found: Services) -> tuple[Endpoint, ...]:
    assert found.result is not None
    return found.result.members


def ttl_s(found: Services) -> float:
    assert found.result is not None
    return found.result.ttl_s


def test_targets_whose_addresses_came_along_are_not_asked_for() -> None:
    found, questions = services("0 5 81 b.", "0 7 80 a.", a="10.0.0.1", b="10.0.0.2")
    assert questions == ()
    assert endpoints(found) == (Endpoint("10.0.0.1", 80, weight=7), Endpoint("10.0.0.2", 81, weight=5))


def test_targets_without_addresses_are_asked_for_in_both_families() -> None:
    found, questions = services("0 5 80 a.", "0 5 80 b.", a="10.0.0.1")
    assert questions == (Question("b.", "A"), Question("b.", "AAAA"))
    assert not found.result
    assert found.answered(Question("b.", "A"), Answer(("10.0.0.2",), ttl_s=4)) == ()
    assert [each.host for each in endpoints(found)] == ["10.0.0.1", "10.0.0.2"]
    assert ttl_s(found) == 4


def test_a_target_that_is_gone_is_left_out_and_one_that_nobody_knows_fails_the_round() -> None:
    found, _ = services("0 5 80 a.", "0 5 80 gone.", a="10.0.0.1")
    for kind in ("A", "AAAA"):
        found.answered(Question("gone.", kind), NONE)
    assert [each.host for each in endpoints(found)] == ["10.0.0.1"]

    found, _ = services("0 5 80 a.", "0 5 80 unknown.", a="10.0.0.1")
    found.answered(Question("unknown.", "A"), FAILED)
    assert found.result == Result((), 0.0, "SERVFAIL", failed=True)


def test_the_lowest_priority_that_has_a_server_is_the_one() -> None:
    assert [each.host for each in endpoints(services("2 1 80 a.", "1 1 80 b.", a="10.0.0.1", b="10.0.0.2")[0])] == [
        "10.0.0.2"
    ]
    found, _ = services("1 1 80 gone.", "2 1 80 a.", "3 1 80 b.", a="10.0.0.1", b="10.0.0.2")
    for kind in ("A", "AAAA"):
        found.answered(Question("gone.", kind), NONE)
    assert [each.host for each in endpoints(found)] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("records", "beside", "weights"),
    [
        (["0 0 80 a.", "0 3 80 b."], {"a": "10.0.0.1", "b": "10.0.0.2"}, [1, 3]),
        (["0 10 80 a.", "0 10 80 b."], {"a": "10.0.0.1,10.0.0.2", "b": "10.0.0.3"}, [5, 5, 10]),
        (["0 1 80 a."], {"a": "10.0.0.1,10.0.0.2,10.0.0.3"}, [1, 1, 1]),
        (["0 2 80 a.", "0 3 80 b."], {"a": "10.0.0.1", "b": "10.0.0.1"}, [5]),
    ],
    ids=["0 is the smallest", "addresses share", "each at least 1", "an address counts once"],
)
def test_weights_are_those_of_the_targets(records: list[str], beside: dict[str, str], weights: list[int]) -> None:
    assert [each.weight for each in endpoints(services(*records, **beside)[0])] == weights


def test_a_dual_stack_pod_counts_once() -> None:
    # Kubernetes names each of its addresses.
    found, _ = services("0 50 80 a.", "0 50 80 b.", a="10.0.0.1", b="fd00::1")
    assert [each.host for each in endpoints(found)] == ["10.0.0.1"]
    found, _ = services("0 50 80 a.", a="fd00::1,10.0.0.1")
    assert [(each.host, each.weight) for each in endpoints(found)] == [("10.0.0.1", 50)]


def test_a_pod_of_a_stateful_set_has_its_name() -> None:
    names = {}
    for target in (f"web-0.{NAME}", f"10-0-0-1.{NAME}", f"fd00--1.{NAME}", "web-0.elsewhere."):
        found, _ = services(f"0 1 80 {target}")
        found.answered(Question(target, "A"), FOUR)
        names[target] = endpoints(found)[0].name
    assert list(names.values()) == ["web-0", "", "", ""]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NONE, "nothing"),
        (Answer(services=(Srv(0, 0, 0, "."),), ttl_s=5), f"{SRV.name} names no server that has an address"),
        (Answer(services=(Srv(0, 0, 0, "a."),), ttl_s=5, beside={"a.": ("10.0.0.1",)}), "no server that has an"),
    ],
    ids=["no record", "decidedly not there", "port 0"],
)
def test_a_service_without_servers_says_why(answer: Answer, why: str) -> None:
    found = Services(SRV.name)
    assert found.begin()
    assert found.answered(SRV, answer) == ()
    assert found.result is not None
    assert (found.result.members, found.result.failed) == ((), False)
    assert why in found.result.why


def polling(random: float = 0.0) -> Polling[str]:
    return Polling(floor_s=1.0, hold_s=30.0, random=lambda: random)


@pytest.mark.parametrize(
    ("ttl_s", "random", "wait_s"),
    [(0, 0.0, 1.0), (0, 0.999, 1.1), (5, 0.0, 5.0), (30, 0.0, 30.0), (30, 0.999, 30.5), (86_400, 0.0, 300.0)],
)
def test_it_is_asked_again_when_the_ttl_is_over_and_no_sooner(ttl_s: float, random: float, wait_s: float) -> None:
    each = polling(random)
    each.take(Result(("10.0.0.1",), ttl_s), 0.0)
    assert each.wait_s == pytest.approx(wait_s, abs=0.001)


def test_the_last_set_outlives_the_answer_that_there_is_none_for_a_while() -> None:
    each, none = polling(), NO_NAME
    assert each.take(Result(("10.0.0.1",), 30.0), 0.0).members == ("10.0.0.1",)
    assert each.take(none, 30.0).members == ("10.0.0.1",)
    assert (each.holding, each.wait_s) == (True, 5.0)
    assert each.take(none, 58.0).members == ("10.0.0.1",)
    assert each.wait_s == 2.0
    told = each.take(none, 60.0)
    assert (told.members, told.note, each.holding) == ((), "no such name", False)
    assert each.take(none, 65.0).members == ()


def test_a_set_that_is_back_is_held_anew_the_next_time() -> None:
    each, one, none = polling(), Result(("10.0.0.1",), 30.0), NO_NAME
    each.take(one, 0.0)
    each.take(none, 30.0)
    each.take(one, 50.0)
    assert each.take(none, 80.0).members == ("10.0.0.1",)
    assert each.take(none, 109.0).members == ("10.0.0.1",)


def test_without_a_set_there_is_nothing_to_hold() -> None:
    each = polling()
    assert each.take(NO_NAME, 0.0).note == "no such name"


def test_a_round_that_failed_changes_nothing_and_is_tried_again_soon() -> None:
    each, none = polling(), NO_NAME
    each.take(Result(("10.0.0.1",), 30.0), 0.0)
    each.take(none, 30.0)
    with pytest.raises(ResolverError, match="SERVFAIL") as raised:
        each.take(Result((), 0.0, "SERVFAIL", failed=True), 35.0)
    assert raised.value.retry_within_s == 5
    assert each.take(none, 59.0).members == ("10.0.0.1",)
    assert each.take(none, 61.0).members == ()
