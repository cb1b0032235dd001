"""First: one endpoint, until it goes."""

from discovery.model import Endpoint, Outcome, Snapshot
from discovery.policies.first import First
from discovery.pool import Pool
from discovery.testing import FakeClock

A, B, C = (Endpoint(f"10.0.0.{number}", 80) for number in (1, 2, 3))


def pinned(pool: Pool) -> Endpoint:
    """The endpoint that gets everything."""
    leases = [pool.pick(f"{number}") for number in range(20)]
    picked = {lease.endpoint for lease in leases if lease is not None}
    for lease in leases:
        assert lease is not None
        lease.done()
    assert len(picked) == 1
    return picked.pop()


def pool(*endpoints: Endpoint) -> Pool:
    made = Pool(First(), clock=FakeClock())
    made.update(Snapshot(endpoints))
    return made


def test_everything_goes_to_the_first_of_the_set() -> None:
    assert pinned(pool(B, A, C)) == B


def test_it_stays_there_while_others_come_and_go_and_the_order_changes() -> None:
    under_test = pool(B)
    for endpoints in ((A, B), (A, B, C), (C, A, B), (B, A)):
        under_test.update(Snapshot(endpoints))
        assert pinned(under_test) == B


def test_when_it_goes_another_takes_over_for_good() -> None:
    under_test = pool(A, B, C)
    under_test.update(Snapshot((C, B)))
    assert pinned(under_test) == C
    under_test.update(Snapshot((A, B, C)))
    assert pinned(under_test) == C


def test_when_it_cannot_be_reached_another_takes_over_for_good() -> None:
    under_test = pool(A, B)
    node = under_test.nodes[0]
    node.report(False, "refused")
    assert pinned(under_test) == B
    node.report(True)
    assert pinned(under_test) == B


def test_when_it_fails_another_takes_over_for_good() -> None:
    clock = FakeClock()
    under_test = Pool(First(), clock=clock)
    under_test.update(Snapshot((A, B)))
    for _ in range(5):
        lease = under_test.pick()
        assert lease is not None
        lease.done(Outcome.FAILURE)
    assert pinned(under_test) == B
    clock.advance(1)
    probe = under_test.pick()
    assert probe is not None
    assert probe.endpoint == A
    probe.done()
    assert not under_test.nodes[0].ejected
    assert pinned(under_test) == B


def test_it_is_left_for_one_request_only_where_it_is_to_be_avoided() -> None:
    under_test = pool(A, B, C)
    lease = under_test.pick(avoid=[A])
    assert lease is not None
    assert lease.endpoint == B
    assert pinned(under_test) == A
