"""The pod of the Job that makes the load: `python -m benchmarks.in_cluster.client`, told what to do by its environment.

It does what the client process of the lab does. What that says over a pipe, this one writes to its log; and the word to
begin is a ConfigMap, for which it watches.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import aclosing, suppress
from dataclasses import replace

import httpx
import msgspec

from benchmarks import client
from benchmarks.client import Failed, Finished, Job, Message, Ready
from benchmarks.in_cluster.messages import Begun, Broken, Line, Told, Warm, encode, parts
from benchmarks.kubeconfig import from_within
from benchmarks.lab.client import ApiError
from benchmarks.lab.kinds import CONFIG_MAP
from benchmarks.live import Counts

JOB = "JOB"
"""What is to be done, as JSON."""

INDEX = "JOB_COMPLETION_INDEX"
"""Which of the clients this is: set by the Job controller."""

WORD = "begin"
"""The ConfigMap, in the pod's own namespace, whose coming is the word to begin."""

LEAD_S = 0.2
"""From that word to the first request: more than a watch's events are late for one client and not for another."""

_AGAIN_S = 0.1
_TIMEOUT_S = 300.0


class Log:
    """Takes the place of the pipe to the command."""

    def send(self, message: Message) -> None:
        for line in _lines(message):
            print(encode(line), flush=True)

    def recv(self) -> float:
        """The reading of time.monotonic() at which the first measured request is due."""
        asyncio.run(_word())
        begun = time.monotonic()
        print(encode(Begun(LEAD_S)), flush=True)
        return begun + LEAD_S


def _lines(message: Message) -> list[Line]:
    match message:
        case Ready():
            return [Warm()]
        case Counts():
            return [Told(message.by_backend, message.errors)]
        case Finished():
            return list(parts(message))
        case Failed():
            return [Broken(message.traceback)]


async def _word() -> None:
    async with asyncio.timeout(_TIMEOUT_S):
        namespace, api = await asyncio.to_thread(from_within)
        async with api:
            while True:
                # A watch from no version begins with what there is.
                with suppress(ApiError, httpx.TransportError):
                    watch = api.watch(CONFIG_MAP, namespace, version="", fields=f"metadata.name={WORD}")
                    async with aclosing(watch) as events:
                        async for event in events:
                            if event.type in {"ADDED", "MODIFIED"}:
                                return
                await asyncio.sleep(_AGAIN_S)


def main() -> int:
    """Run the job; returns 0, or 1 where it failed, which it says."""
    try:
        job = msgspec.json.decode(os.environ[JOB], type=Job)
        number = int(os.environ[INDEX])
    except (KeyError, ValueError) as error:
        print(f"benchmarks.in_cluster.client: {JOB} and {INDEX} say what to do, and do not: {error}", file=sys.stderr)
        return 2
    return 0 if client.main(replace(job, number=number), Log()) else 1


if __name__ == "__main__":
    sys.exit(main())
