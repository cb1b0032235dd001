"""How fast a client follows a change of the pods. Pure arithmetic on requests and the event."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Sequence

from benchmarks.load import Request

WINDOW_S = 0.25
FAIR = 0.9


def first_request_ms(requests: Sequence[Request], joined: Collection[str], event_s: float) -> float | None:
    """From the event to the sending of the first request that one of the `joined` pods answered; None if none did.

    0 where it was sent before: the event is the last of several writes, and a client may act on the first.
    """
    times = [request.sent_s for request in requests if request.backend in joined]
    return max(0.0, min(times) - event_s) * 1000 if times else None


def last_request_ms(requests: Sequence[Request], gone: Collection[str], event_s: float) -> float | None:
    """From the event to the sending of the last request that one of the `gone` answered; None if none did after it."""
    times = [request.sent_s for request in requests if request.backend in gone and request.sent_s >= event_s]
    return (max(times) - event_s) * 1000 if times else None


def fair_share_ms(
    requests: Sequence[Request], joined: Collection[str], pods: int, event_s: float, window_s: float = WINDOW_S
) -> float | None:
    """From the event to the first window in which the `joined` of all `pods` had their fair share; None if never.

    A window begins at a request to one of them and lies wholly inside the run. Nine tenths of the fair share count
    as all of it, because random picking seldom gives it to the last request.
    """
    after = sorted((r.sent_s, r.backend in joined) for r in requests if r.backend and r.sent_s >= event_s)
    sent = [at for at, _ in after]
    fair = FAIR * len(joined) / pods
    taken = 0
    end = 0
    for begin, (at, is_joined) in enumerate(after):
        until = bisect.bisect_left(sent, at + window_s)
        if until == len(after):
            return None
        taken += sum(new for _, new in after[end:until])
        end = until
        if is_joined and taken >= fair * (until - begin):
            return (at - event_s) * 1000
        taken -= is_joined
    return None
