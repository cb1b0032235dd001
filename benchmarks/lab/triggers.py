"""When the change of a Service's pods began that a write of its slices tells of; clients measure delays by it."""

from collections.abc import Iterable

from .kinds import Object


class TriggerTimes:
    """Remembers, per Service, the moments that it has told: each change is the reason of one write."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, str]] = {}

    def next(self, service: Object, pods: Iterable[Object]) -> str | None:
        """The earliest moment, as RFC 3339 text, that is newer than what was told before; None if there is none.

        `pods` are the Service's own. A pod's moment is that of its Ready condition, a Service's that of its creation.
        """
        metadata = service["metadata"]
        now = {pod["metadata"]["uid"]: moment for pod in pods if (moment := _turned(pod))}
        now[metadata["uid"]] = metadata.get("creationTimestamp", "")
        told = self._told.get(metadata["uid"], {})
        self._told[metadata["uid"]] = now
        return min((moment for uid, moment in now.items() if moment > told.get(uid, "")), default=None)

    def forget(self, service_uid: str) -> None:
        """The Service is gone."""
        self._told.pop(service_uid, None)


def _turned(pod: Object) -> str | None:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((each.get("lastTransitionTime") for each in conditions if each["type"] == "Ready"), None)
