"""The Deployment controller: carries out through the API what `deployments` plans.

It also removes the pods of a Deployment that is gone, which is the garbage collector's work in a cluster.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from .client import ApiClient
from .controllers import PodMaker, reconcile
from .deployments import is_orphan, plan_step, with_refusal
from .kinds import DEPLOYMENT, POD, Object, key_of
from .mirror import Mirror


async def run_deployment_controller(client: ApiClient) -> None:
    """Keep the pods of all Deployments up to date until cancelled.

    Raises an `ExceptionGroup` of `ApiError` if the API server refuses it; where there is none, it waits.
    """
    controller = _Controller(client)
    await reconcile(controller.mirrors, controller.changed, controller.write)


class _Controller:
    def __init__(self, client: ApiClient) -> None:
        self.changed = asyncio.Event()
        self.mirrors = tuple(Mirror(client, kind, self.changed.set) for kind in (DEPLOYMENT, POD))
        self._deployments, self._pods = self.mirrors
        self._client = client
        self._maker = PodMaker(client, self.changed)

    async def write(self) -> None:
        deployments = tuple(self._deployments.objects.values())
        uids = {deployment["metadata"]["uid"] for deployment in deployments}
        for pod in tuple(self._pods.objects.values()):
            if is_orphan(pod, uids) and "deletionTimestamp" not in pod["metadata"]:
                await self._delete(pod)
        for deployment in deployments:
            namespace, _name = key_of(deployment)
            step = plan_step(deployment, self._pods_in(namespace))
            refusal = await self._create(namespace, step.create)
            for pod in step.delete:
                await self._delete(pod)
            if step.create or step.delete:
                # What was just written counts in the status, too.
                step = plan_step(deployment, self._pods_in(namespace))
            await self._report(deployment, with_refusal(step.status, refusal))

    async def _create(self, namespace: str, new: Iterable[Object]) -> str | None:
        """Why one of them is forbidden, which the others then are, too."""
        for pod in new:
            made = await self._maker.create(namespace, pod)
            if isinstance(made, str):
                return made
            self._pods.note(made)
        return None

    def _pods_in(self, namespace: str) -> list[Object]:
        return [pod for pod in self._pods.objects.values() if key_of(pod)[0] == namespace]

    async def _delete(self, pod: Object) -> None:
        grace_s = (pod.get("spec") or {}).get("terminationGracePeriodSeconds", 30)
        await self._client.delete(POD, *key_of(pod), grace_s=grace_s)
        self._pods.forget(pod)

    async def _report(self, deployment: Object, status: Mapping[str, Any]) -> None:
        if dict(deployment.get("status") or {}) != dict(status):
            patch = {"metadata": {"uid": deployment["metadata"]["uid"]}, "status": status}
            self._deployments.note(await self._client.patch(DEPLOYMENT, *key_of(deployment), patch))
