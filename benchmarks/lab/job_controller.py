"""The Job controller: carries out through the API what `jobs` plans.

It also removes the pods of a Job that is gone, which is the garbage collector's work in a cluster.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .client import ApiClient
from .controllers import PodMaker, reconcile
from .jobs import Step, plan_step
from .kinds import JOB, POD, Object, key_of
from .mirror import Mirror
from .ownership import owners


async def run_job_controller(client: ApiClient) -> None:
    """Have all Jobs done until cancelled.

    Raises an `ExceptionGroup` of `ApiError` if the API server refuses it; where there is none, it waits.
    """
    controller = _Controller(client)
    await reconcile(controller.mirrors, controller.changed, controller.write)


class _Controller:
    def __init__(self, client: ApiClient) -> None:
        self.changed = asyncio.Event()
        self.mirrors = tuple(Mirror(client, kind, self.changed.set) for kind in (JOB, POD))
        self._jobs, self._pods = self.mirrors
        self._client = client
        self._maker = PodMaker(client, self.changed)
        self._alarms: dict[str, asyncio.TimerHandle] = {}  # by uid

    async def write(self) -> None:
        jobs = {job["metadata"]["uid"]: job for job in self._jobs.objects.values()}
        for uid in self._alarms.keys() - jobs.keys():
            self._alarms.pop(uid).cancel()
        for pod in tuple(self._pods.objects.values()):
            mine = owners(JOB, pod)
            if mine and mine.isdisjoint(jobs) and "deletionTimestamp" not in pod["metadata"]:
                await self._delete(pod)
        for uid, job in jobs.items():
            await self._carry_out(uid, job)

    async def _carry_out(self, uid: str, job: Object) -> None:
        step = self._plan(job)
        if step.expired:
            await self._client.delete(JOB, *key_of(job))
            return
        for new in step.create:
            made = await self._maker.create(key_of(job)[0], new)
            if isinstance(made, str):  # it is tried again
                break
            self._pods.note(made)
        for pod in step.delete:
            await self._delete(pod)
        if step.create or step.delete:
            # What was just written counts in the status, too.
            step = self._plan(job)
        await self._report(job, step.status)
        if alarm := self._alarms.pop(uid, None):
            alarm.cancel()
        if step.wake_s is not None:
            self._alarms[uid] = asyncio.get_running_loop().call_later(step.wake_s, self.changed.set)

    def _plan(self, job: Object) -> Step:
        namespace = key_of(job)[0]
        pods = [pod for pod in self._pods.objects.values() if key_of(pod)[0] == namespace]
        return plan_step(job, pods, datetime.now(UTC))

    async def _delete(self, pod: Object) -> None:
        grace_s = (pod.get("spec") or {}).get("terminationGracePeriodSeconds", 30)
        left = await self._client.delete(POD, *key_of(pod), grace_s=grace_s)
        if "deletionTimestamp" in left["metadata"]:
            self._pods.note(left)  # a Job is not over before its pods have ended
        else:
            self._pods.forget(pod)

    async def _report(self, job: Object, status: Mapping[str, Any]) -> None:
        before = job.get("status") or {}
        if dict(before) != dict(status):
            patch = {field: status.get(field) for field in (*before, *status)}  # null takes a field away
            self._jobs.note(await self._client.patch_status(JOB, job, patch))
