"""The EndpointSlice controller: carries out through the API what `slices` plans.

It also removes the slices of a Service that is gone, which is the garbage collector's work in a cluster.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping

from .client import ApiClient
from .controllers import reconcile
from .kinds import ENDPOINT_SLICE, NODE, POD, SERVICE, Object, key_of, labels_of
from .label_selectors import LabelSelector
from .manifests import ZONE_LABEL
from .mirror import Mirror
from .slices import MANAGED_BY, SERVICE_NAME_LABEL, Plan, plan_slices
from .triggers import TriggerTimes


async def run_slice_controller(client: ApiClient) -> None:
    """Keep the slices of all Services up to date until cancelled, and mend what others write to them.

    Raises an `ExceptionGroup` of `ApiError` if the API server refuses it; where there is none, it waits.
    """
    controller = _Controller(client)
    await reconcile(controller.mirrors, controller.changed, controller.write)


class _Controller:
    def __init__(self, client: ApiClient) -> None:
        self.changed = asyncio.Event()
        self.mirrors = tuple(Mirror(client, kind, self.changed.set) for kind in (SERVICE, POD, NODE, ENDPOINT_SLICE))
        self._services, self._pods, self._nodes, self._slices = self.mirrors
        self._client = client
        self._triggers = TriggerTimes()

    async def write(self) -> None:
        zones = _zones(self._nodes.objects.values())
        owned = self._owned()
        for service in tuple(self._services.objects.values()):
            if serves_by_selector(service):
                await self._carry_out(self._plan(service, owned.pop(service["metadata"]["uid"], []), zones))
        for uid, ownerless in owned.items():
            self._triggers.forget(uid)
            await self._carry_out(Plan((), (), tuple(ownerless)))

    def _owned(self) -> dict[str, list[Object]]:
        """This controller's slices by the uid of their Service."""
        owned: dict[str, list[Object]] = defaultdict(list)
        for existing in self._slices.objects.values():
            labels = labels_of(existing)
            if MANAGED_BY.items() <= labels.items():
                namespace, _name = key_of(existing)
                service = self._services.objects.get((namespace, labels.get(SERVICE_NAME_LABEL, "")))
                # Where somebody has taken the owner away, the label still tells it.
                owners = existing["metadata"].get("ownerReferences") or [
                    service["metadata"] if service else {"uid": ""}
                ]
                owned[owners[0]["uid"]].append(existing)
        return owned

    def _plan(self, service: Object, existing: list[Object], zones: Mapping[str, str]) -> Plan:
        namespace, _name = key_of(service)
        selector = LabelSelector.equal_to(service["spec"]["selector"])
        pods = [
            pod
            for pod in self._pods.objects.values()
            if key_of(pod)[0] == namespace and selector.matches(labels_of(pod))
        ]
        return plan_slices(service, pods, existing, zones, self._triggers.next(service, pods))

    async def _carry_out(self, plan: Plan) -> None:
        for new in plan.create:
            self._slices.note(await self._client.create(ENDPOINT_SLICE, new["metadata"]["namespace"], new))
        for new in plan.update:
            self._slices.note(await self._client.replace(ENDPOINT_SLICE, new))
        for old in plan.delete:
            await self._client.delete(ENDPOINT_SLICE, *key_of(old))


def serves_by_selector(service: Object) -> bool:
    """Whether a Service's endpoints are for the controllers to find; others' are written by hand, or it has none."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def _zones(nodes: Iterable[Object]) -> dict[str, str]:
    """Of every node; "" where it has none."""
    return {key_of(node)[1]: labels_of(node).get(ZONE_LABEL, "") for node in nodes}
