"""What client pods write to their logs, and what is read from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.client import Finished
from benchmarks.in_cluster import messages
from benchmarks.in_cluster.messages import Over, Part, Warm
from benchmarks.load import Load, Request, merged
from benchmarks.summary import Measured, summarize
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM

US = st.integers(0, 3_600_000_000).map(lambda us: us / 1e6)
PODS = ("echo-0", "echo-1", "echo-2")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    due_s, waited_s, took_s = draw(US), draw(US), draw(US)
    pod = draw(st.sampled_from((*PODS, None)))
    error = None if pod else draw(st.sampled_from(("UNAVAILABLE", "503", "ReadTimeout")))
    return Request(due_s, due_s + waited_s, due_s + waited_s + took_s, pod, error)


LOADS = st.builds(
    Load,
    st.lists(requests(), max_size=50).map(lambda some: tuple(sorted(some, key=lambda each: each.due_s))),
    st.integers(0, 9),
)


def through_a_log(finished: Finished) -> Finished:
    lines = [messages.encode(message) for message in messages.parts(finished)]
    told = [messages.decode(line) for line in lines]
    over = told.pop()
    assert isinstance(over, Over)
    return messages.finished([part for part in told if isinstance(part, Part)], over)


@given(LOADS)
def test_every_request_arrives_as_it_was_to_the_microsecond(load: Load) -> None:
    there = through_a_log(Finished(load, 1.5, 0.5, 3))

    assert (there.load.dropped, there.cpu_s, there.busy, there.late) == (load.dropped, 1.5, 0.5, 3)
    for sent, arrived in zip(load.requests, there.load.requests, strict=True):
        assert arrived[3:] == sent[3:]
        assert arrived[:3] == pytest.approx(sent[:3], abs=2e-6)


def load_of(number: int) -> Load:
    return Load(
        tuple(
            Request(at / 100, at / 100, at / 100 + 0.001 * (1 + (at * at + number) % 97), PODS[at % 3], None)
            for at in range(number, 4_000, 4)
        ),
        0,
    )


def histogram(load: Load) -> HdrHistogram:
    run = summarize(ARM, QUICK, Measured(load, PODS, False, 0.1, None, None, ()))
    return HdrHistogram.decode(run.latency_histogram)


def test_the_histograms_of_four_clients_add_up_to_the_one_of_all_their_requests() -> None:
    loads = [through_a_log(Finished(load_of(number), 0.1, 0.1, 0)).load for number in range(4)]
    added = histogram(loads[0])
    for load in loads[1:]:
        added.add(histogram(load))

    of_all = histogram(merged(loads))

    assert of_all.get_total_count() == 4_000
    assert list(added.get_recorded_iterator()) != []
    counts = [
        [(step.value_iterated_to, step.count_at_value_iterated_to) for step in each.get_recorded_iterator()]
        for each in (added, of_all)
    ]
    assert counts[0] == counts[1]


def test_a_request_takes_a_few_bytes_and_no_line_is_long() -> None:
    lines = [messages.encode(message) for message in messages.parts(Finished(load_of(0), 0.1, 0.1, 0))]

    assert sum(map(len, lines)) < 12 * 1_000
    assert max(map(len, lines)) < 16 * 1024


def test_what_is_lost_or_too_much_is_told() -> None:
    *parts, over = (message for message in messages.parts(Finished(load_of(0), 0.1, 0.1, 0)))
    assert isinstance(over, Over)
    told = [part for part in parts if isinstance(part, Part)]

    with pytest.raises(ValueError, match=r"^0 of 1 parts of its requests arrived$"):
        messages.finished([], over)
    with pytest.raises(ValueError, match=r"^its requests cannot be read: "):
        messages.finished([Part(told[0].text[:-400])], over)
    with pytest.raises(ValueError, match=r"^its requests cannot be read: "):
        messages.finished([Part("no base64")], over)


@pytest.mark.parametrize("line", ["", "warning: something", "{}", '{"type":"other"}', '["warm"]', '{"type":"over"}'])
def test_a_line_that_is_no_message_is_somebody_elses(line: str) -> None:
    assert messages.decode(line) is None
    assert messages.decode(messages.encode(Warm())) == Warm()


def test_a_load_is_not_changed_by_being_told() -> None:
    assert through_a_log(Finished(replace(load_of(1)), 0.0, 0.0, 0)).load.requests[0].backend == PODS[1]
