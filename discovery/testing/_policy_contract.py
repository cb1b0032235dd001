"""What every policy must keep, whatever it prefers."""

from __future__ import annotations

import collections
import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from discovery.balancing import Balancing
from discovery.errors import NoEndpoints
from discovery.model import Endpoint, Outcome
from discovery.node import Node
from discovery.policies import Policy
from discovery.testing._trial import KEYS, Trial

_OLD = tuple(Endpoint(f"10.0.0.{at}", 80, name=f"old-{at}", weight=1 + at % 3, zone="ab"[at % 2]) for at in range(5))
_NEW = tuple(Endpoint(f"10.0.1.{at}", 80, name=f"new-{at}", weight=1 + at % 3, zone="ab"[at % 2]) for at in range(5))
_A, _B, _C = _OLD[:3]
_THREADS = 4


class PolicyContract:
    """Courses of events that a policy is put through. To be subclassed, with `make`.

    Each asserts that every pick is a candidate and its endpoint in the set, that what is to be avoided is avoided
    while there is another, that nothing crashes, and that no request is counted any more when all have ended.
    """

    def make(self) -> Policy:
        """A new instance of the policy."""
        raise NotImplementedError

    def test_a_deploy_replaces_the_endpoints_one_by_one(self) -> None:
        trial = Trial(self.make())
        trial.update(_OLD)
        for at in range(len(_OLD)):
            trial.requests(40)
            trial.update(_OLD[at:] + _NEW[: at + 1])
            trial.requests(40)
            trial.update(_OLD[at + 1 :] + _NEW[: at + 1])
        assert set(trial.requests(100)) <= set(_NEW)
        trial.over()

    def test_the_set_shrinks_to_one(self) -> None:
        trial = Trial(self.make())
        for count in range(len(_OLD), 0, -1):
            trial.update(_OLD[:count])
            trial.requests(40)
        assert trial.requests(40) == {_A: 40}
        trial.over()

    def test_the_set_grows_from_one(self) -> None:
        trial = Trial(self.make())
        for count in range(1, len(_OLD) + 1):
            trial.update(_OLD[:count])
            trial.requests(40)
        trial.over()

    def test_all_endpoints_are_replaced_at_once_and_back(self) -> None:
        trial = Trial(self.make())
        for endpoints in (_OLD, _NEW, _OLD, _NEW):
            trial.update(endpoints)
            assert set(trial.requests(60)) <= set(endpoints)
        trial.over()

    def test_what_is_known_of_an_endpoint_changes(self) -> None:
        trial = Trial(self.make())
        for weight in (1, 5, 1_000_000, 2):
            trial.update([Endpoint(_A.host, _A.port, weight=weight), _B])
            trial.requests(40)
        trial.over()

    def test_a_slow_endpoint_keeps_what_it_was_given(self) -> None:
        trial = Trial(self.make())
        trial.update(_OLD)
        counted = trial.requests(200, lambda endpoint: None if endpoint == _A else Outcome.SUCCESS)
        assert len(trial.nodes[0].leases) == counted[_A]
        trial.over()

    def test_a_failing_endpoint_is_left_alone_and_comes_back_when_it_does_well(self) -> None:
        trial = Trial(self.make(), in_flight=0)
        trial.update(_OLD)
        failing, ejected = trial.nodes[0], collections.Counter[Endpoint]()
        for _ in range(300):
            once = trial.requests(1, lambda endpoint: Outcome.FAILURE if endpoint == _A else Outcome.SUCCESS)
            if failing.ejected and not failing.health.probed:
                ejected += once
        assert ejected[_A] <= failing.health.ejections, "it was picked while it was ejected"
        for _ in range(10):
            trial.clock.advance(60)
            trial.requests(10)
        assert not failing.ejected
        assert failing.penalty == 0
        trial.over()

    def test_an_endpoint_flaps(self) -> None:
        trial = Trial(self.make())
        trial.update(_OLD)
        node, ends = trial.nodes[0], itertools.cycle([Outcome.FAILURE, Outcome.SUCCESS, Outcome.BUSY, *Outcome])
        for turn in range(60):
            node.report(turn % 3 != 1, "reset" if turn % 3 == 1 else None)
            node.report_check(turn % 4 != 2)
            picked = trial.requests(8, lambda endpoint: next(ends) if endpoint == _A else Outcome.SUCCESS)
            assert node.ready or _A not in picked
        trial.over()

    def test_there_may_be_no_endpoint(self) -> None:
        trial = Trial(self.make())
        for endpoints in (_OLD, _NEW[:1]):
            trial.update(())
            try:
                trial.pool.pick()
            except NoEndpoints:
                pass
            else:
                raise AssertionError("a pick from an empty set")
            trial.update(endpoints)
            trial.requests(20)
        trial.over()

    def test_a_single_endpoint_is_picked_whatever_is_said_of_it(self) -> None:
        trial = Trial(self.make())
        trial.update([_A])
        for key, avoid in itertools.product(KEYS, ((), [_A], {_A, _B})):
            trial.pick(key, avoid).done(Outcome.FAILURE)
        trial.over()

    def test_what_is_to_be_avoided_is_avoided_while_there_is_another(self) -> None:
        trial = Trial(self.make(), balancing=Balancing(slow_start_s=5.0, max_in_flight=50))
        trial.update(_OLD[:1])
        trial.update(_OLD)
        for count, key in itertools.product(range(len(_OLD) + 1), KEYS):
            for avoid in itertools.combinations(_OLD, count):
                lease = trial.pick(key, avoid)
                assert lease.endpoint not in avoid or count == len(_OLD), f"{lease.endpoint}, of all but {avoid}"
                lease.done()
                trial.clock.advance(0.01)
        trial.over()

    def test_any_key_will_do(self) -> None:
        trial = Trial(self.make())
        trial.update(_OLD)
        for number in range(300):
            trial.end(trial.pick(f"{number}"))
        for key in KEYS:
            trial.end(trial.pick(key))
        trial.over()

    def test_a_picker_keeps_to_its_nodes_when_there_is_a_newer_one_and_changes_none(self) -> None:
        policy = self.make()
        nodes = [Node(endpoint) for endpoint in _OLD]
        sets = (nodes[:3], nodes[2:], nodes[1:2])
        pickers = [policy.picker(chosen) for chosen in sets]
        for key, _ in itertools.product(KEYS, range(20)):
            for picker, chosen in zip(pickers, sets, strict=True):
                picked = picker.pick(key, ())
                assert picked in chosen, f"{picked} is none of the picker's own nodes"
        changed = [node for node in nodes if node.leases or node.penalty or node.latency]
        assert not changed, f"a policy looks at nodes, and leaves them as they are: {changed}"

    def test_threads_pick_while_the_set_changes(self) -> None:
        trial, over = Trial(self.make()), Event()
        trial.update(_OLD)

        def work(seed: int) -> int:
            chance, count = random.Random(seed), 0
            while not over.is_set() or not count:
                lease = trial.pool.pick(chance.choice(KEYS), chance.choice([(), _OLD[:2]]))
                assert lease is not None
                trial.end(lease, chance.choice(list(Outcome)))
                count += 1
            return count

        with ThreadPoolExecutor(_THREADS) as threads:
            working = [threads.submit(work, seed) for seed in range(_THREADS)]
            try:
                for turn in range(60):
                    trial.update((_OLD + _NEW)[turn % 5 : turn % 5 + 1 + turn % 7])
                    trial.clock.advance(0.5)
            finally:
                over.set()
            assert all(each.result() for each in working)
        trial.over()
