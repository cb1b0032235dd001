"""What a scenario plays on in a real cluster: it asks the API server, and hears from the slices what came of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from benchmarks.in_cluster.objects import SERVICE
from benchmarks.in_cluster.scene import Scene
from benchmarks.lab.kinds import DEPLOYMENT, POD
from benchmarks.lab.pod_settings import PodSettings
from benchmarks.result import JOINED, KILLED, LEFT, Event
from benchmarks.stage import Stage

_CHANGE_S = 300.0
"""For a change of the pods: images are there, but nodes may be busy."""

_RESTARTED = "kubectl.kubernetes.io/restartedAt"


class ClusterStage(Stage):
    """The pods of the Deployment.

    spare    how many more `grow` asks for
    answers  by pod, as far as the clients have told
    """

    def __init__(self, scene: Scene, spare: int, answers: Counter[str], start: float, duration_s: float) -> None:
        super().__init__(tuple(scene.members()), start, duration_s)
        self._scene = scene
        self._spare = spare
        self._answers = answers
        self._told = set[tuple[str, str]]()

    async def busiest(self) -> str:
        """Connections are counted by nobody here; answers are."""
        return max(self.pods, key=lambda pod: self._answers[pod])

    async def grow(self) -> Event:
        wanted = len(self.pods) + self._spare
        await self._patch({"spec": {"replicas": wanted}})
        await self._scene.until(
            lambda: len(self._scene.members()) >= wanted, f"there were no {wanted} ready pods", _CHANGE_S
        )
        new = tuple(name for name in self._scene.members() if name not in self.pods)
        return self._membership(JOINED, *new)

    async def replace_all(self, settings: PodSettings) -> tuple[Event, ...]:  # noqa: ARG002 - the Deployment has them
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await self._patch({"spec": {"template": {"metadata": {"annotations": {_RESTARTED: now}}}}})

        def all_new() -> bool:
            members = self._scene.members()
            return len(members) == len(self.pods) and members.keys().isdisjoint(self.pods)

        await self._scene.until(all_new, "the rollout was not over", _CHANGE_S)
        return self.rest()

    async def kill(self, pod: str) -> Event:
        event = self.event(KILLED, pod)
        self._told.add((LEFT, pod))
        await self._scene.api.delete(POD, self._scene.namespace, pod)
        return event

    def rest(self) -> tuple[Event, ...]:
        """What else has become of the pods since the start: one that was killed is replaced, for one."""
        events = [
            self._membership(what, pod)
            for what, times in ((JOINED, self._scene.joined), (LEFT, self._scene.left))
            for pod, at in tuple(times.items())
            if at >= self.start and (what, pod) not in self._told
        ]
        return tuple(sorted(events, key=lambda event: event.at_s))

    def _membership(self, what: str, *pods: str) -> Event:
        times = self._scene.joined if what == JOINED else self._scene.left
        self._told.update((what, pod) for pod in pods)
        return self.event(what, *pods, at=min(times[pod] for pod in pods))

    async def _patch(self, patch: dict[str, object]) -> None:
        await self._scene.api.patch(DEPLOYMENT, self._scene.namespace, SERVICE, patch)
