"""The Job's clients, as seen by the command: started together, heard through their logs, gone with the block."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from statistics import fmean

import httpx

from benchmarks.client import Finished, Job
from benchmarks.in_cluster import messages, objects
from benchmarks.in_cluster.client import WORD
from benchmarks.in_cluster.messages import Begun, Broken, Line, Over, Part, Told, Warm
from benchmarks.in_cluster.objects import CLIENTS
from benchmarks.in_cluster.scene import Scene
from benchmarks.lab.background import together
from benchmarks.lab.client import ApiError
from benchmarks.lab.kinds import CONFIG_MAP, JOB, POD, Kind, Object, labels_of
from benchmarks.live import Counts
from benchmarks.process import ClientError

START_S = 180.0
"""For clients to be scheduled and to start: their image is there."""

_AGAIN_S = 0.2
_TRIES = 50
_LAST_WORDS = 5
_JOB_NAME = "batch.kubernetes.io/job-name"
_PATIENCE_S = 30.0


@asynccontextmanager
async def clients(scene: Scene, image: str, work: Job) -> AsyncIterator[Clients]:
    """Those that do this work, for as long as the block lasts. Raises LabError where they cannot come to run."""
    api, namespace = scene.api, scene.namespace
    await _remove_word(scene)
    await api.create(JOB, namespace, objects.job(namespace, image, work))
    try:
        await scene.until(
            lambda: len(_running(scene)) >= work.clients, f"the {work.clients} clients did not start", START_S
        )
        found = [_Client(scene, name) for name in _running(scene)]
        listening = [asyncio.create_task(each.listen(), name=f"log of {each.name}") for each in found]
        try:
            yield Clients(scene, found)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    finally:
        await asyncio.shield(_remove(scene))


class Clients:
    """All of them, as if they were one."""

    def __init__(self, scene: Scene, members: list[_Client]) -> None:
        self._scene = scene
        self._members = members

    async def started(self, timeout_s: float) -> float:
        """Wait until every warm-up is over, and give the word to begin; raises ClientError.

        Returns the reading of time.monotonic() at which the first measured request is due. Neither this clock nor a
        pod's is taken to be right: a client begins so long after it hears the word, which is between when it was given
        and when the client's answer was here (Cristian 1989, "Probabilistic clock synchronization").
        """
        await together(each.until(lambda client: client.warm, timeout_s) for each in self._members)
        given = time.monotonic()
        await self._scene.api.create(CONFIG_MAP, self._scene.namespace, objects.word(self._scene.namespace))
        await together(each.until(lambda client: client.begun is not None, _PATIENCE_S) for each in self._members)
        begun = [each.begun for each in self._members if each.begun]
        return fmean((given + at) / 2 + lead_s for at, lead_s in begun)

    async def finished(self, timeout_s: float, watch: Callable[[Counts], None]) -> Finished:
        """Wait for what all of them have done, while `watch` is told of the answers; raises ClientError."""
        for each in self._members:
            each.watch = watch
        await together(each.until(lambda client: client.over is not None, timeout_s) for each in self._members)
        done = [each.finished() for each in self._members]
        return Finished.of_all(done)


class _Client:
    """One pod, and what its log has told so far."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self._api = scene.api
        self._namespace = scene.namespace
        self.name = name
        self.warm = False
        self.begun: tuple[float, float] | None = None
        self.over: Over | None = None
        self.watch: Callable[[Counts], None] = lambda _: None
        self._parts: list[Part] = []
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._failure: ClientError | None = None
        self._heard = asyncio.Event()

    async def until(self, holds: Callable[[_Client], bool], timeout_s: float) -> None:
        """Wait until it holds; raises ClientError where the client ends before, or says nothing for so long."""
        while not holds(self):
            if self._failure:
                raise self._failure
            self._heard.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._heard.wait()
            except TimeoutError:
                raise ClientError(f"client {self.name} said nothing for {timeout_s:g} s{self._last()}") from None

    def finished(self) -> Finished:
        assert self.over is not None
        try:
            return messages.finished(self._parts, self.over)
        except ValueError as error:
            raise ClientError(f"client {self.name}: {error}") from None

    async def listen(self) -> None:
        """Take in the log until the client has ended; what is cut off is read again from its beginning."""
        known = 0
        for _ in range(_TRIES):
            seen = 0
            try:
                async with aclosing(self._api.log(self._namespace, self.name)) as lines:
                    async for line in lines:
                        seen += 1
                        if seen > known:
                            self._take(line)
                            self._heard.set()
            except (ApiError, httpx.TransportError) as error:
                self._words.append(str(error))
            known = max(known, seen)
            if self.over or self._failure or self._ended():
                break
            await asyncio.sleep(_AGAIN_S)
        if not self.over and not self._failure:
            self._failure = ClientError(f"client {self.name} ended without a result{self._last()}")
        self._heard.set()

    def _take(self, text: str) -> None:
        line: Line | None = messages.decode(text)
        match line:
            case None:
                self._words.append(text)
            case Warm():
                self.warm = True
            case Begun():
                self.begun = time.monotonic(), line.lead_s
            case Told():
                self.watch(Counts(line.by_backend, line.errors))
            case Part():
                self._parts.append(line)
            case Over():
                self.over = line
            case Broken():
                self._failure = ClientError(line.traceback.splitlines()[-1], line.traceback)

    def _ended(self) -> bool:
        pod = self._scene.pods.get(self.name)
        return pod is None or (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}

    def _last(self) -> str:
        return f": {' / '.join(self._words)}" if self._words else ""


def _running(scene: Scene) -> list[str]:
    """Clients that run, or have run already."""
    return [
        name
        for name, pod in scene.pods.items()
        if _is_client(pod) and (pod.get("status") or {}).get("phase") in {"Running", "Succeeded", "Failed"}
    ]


def _is_client(pod: Object) -> bool:
    return labels_of(pod).get(_JOB_NAME) == CLIENTS and "deletionTimestamp" not in pod["metadata"]


async def _remove(scene: Scene) -> None:
    """The Job, its pods at once, and the word; returns when the pods are gone, so that none is taken for the next's."""
    await _delete(scene, JOB, CLIENTS)
    for name in [name for name, pod in scene.pods.items() if labels_of(pod).get(_JOB_NAME) == CLIENTS]:
        await _delete(scene, POD, name)
    await _remove_word(scene)
    await scene.until(
        lambda: not any(labels_of(pod).get(_JOB_NAME) == CLIENTS for pod in scene.pods.values()),
        "the clients of the arm before did not go",
        _PATIENCE_S,
    )


async def _remove_word(scene: Scene) -> None:
    await _delete(scene, CONFIG_MAP, WORD)


async def _delete(scene: Scene, kind: Kind, name: str) -> None:
    """Whether it was there or not."""
    try:
        await scene.api.delete(kind, scene.namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
