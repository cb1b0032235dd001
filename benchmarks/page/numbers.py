"""The numbers of an arm: what each counts, in a sentence, and over what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.page.arms import Arm
from benchmarks.result import Latency, Reaction, Run

NEVER = "never"
UNKNOWN = "-"


class Number(NamedTuple):
    """A column: its name, what it says in a sentence, and how it is shown."""

    name: str
    explanation: str
    of: Callable[[Run], float | None]
    form: str = "{:.0f}"
    waits: bool = False
    """Whether none means that something never happened, where there was an event to wait for."""
    is_rare: bool = False
    """Whether it is left out where no arm has any."""

    def text(self, arm: Arm) -> str:
        """The median of the repeats."""
        found = arm.spread(self.of)
        if found is not None:
            return self.form.format(found.median)
        return NEVER if self.waits and any(run.reaction for run in arm.measured) else UNKNOWN

    def between(self, arm: Arm) -> str:
        """From which repeat to which, or nothing where all are alike."""
        found = arm.spread(self.of)
        return found.between(self.form) if found else ""


def _latency(part: Callable[[Latency], float]) -> Callable[[Run], float | None]:
    return lambda run: part(run.latency_ms) if run.latency_ms else None


def _reaction(part: Callable[[Reaction], float | None]) -> Callable[[Run], float | None]:
    return lambda run: part(run.reaction) if run.reaction else None


NUMBERS = (
    Number(
        "busiest / fair",
        "requests of the busiest pod over the fair share: 1 is even, the number of pods is one doing it all; where the "
        "pods change, over the requests after the client's fair share, or after the event if it never had one",
        lambda run: run.max_over_mean,
        "{:.2f}",
    ),
    Number("idle pods", "pods that got no request, over the same requests", lambda run: run.idle_backends),
    Number(
        "CV",
        "coefficient of variation of the requests per pod, standard deviation over mean: 0 is even",
        lambda run: run.cv,
        "{:.3f}",
    ),
    Number(
        "chance CV",
        "the noise floor: the CV that picking at random would bring by chance alone, over as many picks; a CV near it "
        "is no more uneven than dice. Over the Service a pick is a connection, else a request",
        lambda run: run.noise_floor_cv,
        "{:.3f}",
    ),
    Number(
        "same pod again",
        "share of the answers that came from the pod of the answer before: 0 if a Service rotated, one in as many as "
        "there are pods by chance, 1 if pinned",
        lambda run: run.same_pod_again,
        "{:.2f}",
    ),
    Number(
        "connections",
        "connections that the pods accepted from this client since its start, as the kernel or the forwarder counted",
        lambda run: run.connections_opened,
    ),
    Number("errors", "requests that failed, of all that were sent", lambda run: run.errors),
    Number(
        "dropped",
        "requests that were due and never sent, because too many waited for an answer",
        lambda run: run.dropped,
        is_rare=True,
    ),
    Number(
        "p50 ms",
        "half of the answered requests were answered within so many ms from the time at which they were due",
        _latency(lambda latency: latency.p50),
        "{:.1f}",
    ),
    Number(
        "p99 ms",
        "99 of 100 answered requests were answered within so many ms from the time at which they were due",
        _latency(lambda latency: latency.p99),
    ),
    Number(
        "p99.9 ms",
        "999 of 1000 answered requests were answered within so many ms from the time at which they were due",
        _latency(lambda latency: latency.p999),
    ),
    Number(
        "answers / s",
        "answers per second, from the first request to the last answer; less than was offered is a client or a pod "
        "that could not keep up",
        lambda run: run.achieved_rps,
    ),
    Number(
        "client CPU us",
        "processor time of the client's process per measured request, in microseconds",
        lambda run: run.client_cpu_us_per_request,
    ),
    Number(
        "pods' CPU us",
        "processor time of all pods' processes per answered request, in microseconds",
        lambda run: run.server_cpu_us_per_request,
    ),
    Number(
        "first request ms",
        "from the writing of the EndpointSlice to the first request that a new pod answered",
        _reaction(lambda reaction: reaction.first_request_ms),
        waits=True,
    ),
    Number(
        "fair share ms",
        "from the writing of the EndpointSlice to the first quarter of a second in which the new pods got nine tenths "
        "of their share",
        _reaction(lambda reaction: reaction.fair_share_ms),
        waits=True,
    ),
    Number(
        "last to removed ms",
        "from the event to the last request that was sent to a pod that had left",
        _reaction(lambda reaction: reaction.last_request_to_removed_ms),
    ),
    Number(
        "errors to removed",
        "requests that failed because the pod that they were sent to had left",
        _reaction(lambda reaction: reaction.errors_to_removed),
    ),
)
_NAMED = {number.name: number for number in NUMBERS}
BALANCE, IDLE = _NAMED["busiest / fair"], _NAMED["idle pods"]
FIRST, FAIR = _NAMED["first request ms"], _NAMED["fair share ms"]
PER_POD = "requests that each pod answered in the whole run, a bar for each pod, and a dot for one that answered none"
BARS = "·▁▂▃▄▅▆▇█"


def shown(arms: Sequence[Arm]) -> list[Number]:
    """The columns in which any of the arms has something."""
    nothing = {True: {UNKNOWN, "0"}, False: {UNKNOWN}}
    return [number for number in NUMBERS if any(number.text(arm) not in nothing[number.is_rare] for arm in arms)]


def bars(arm: Arm) -> str:
    """A bar per pod, the busiest the highest, and a dot for none."""
    counts = list((arm.typical.by_backend or {}).values()) if arm.typical else []
    most = max(counts, default=0) or 1
    return "".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in counts)


def per_pod(arm: Arm) -> str:
    """The counts behind the bars."""
    counts = (arm.typical.by_backend or {}) if arm.typical else {}
    return ", ".join(f"{pod} {count}" for pod, count in counts.items())


def absent(arm: Arm) -> str:
    """Why an arm without numbers has none."""
    run = arm.runs[-1]
    return f"{'not measured' if run.applicable else 'not here'}: {run.reason}"
