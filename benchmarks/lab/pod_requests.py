"""What is served of Pods alone: their binding to a node, and their log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .bodies import json_body
from .container_log import PodLogs
from .kinds import NODE, POD, Kind, Object
from .listing import whole_number
from .manifests import ZONE_LABEL
from .pod_status import turned
from .store import Store
from .store_errors import ConflictError, NotFoundError

_TOPOLOGY: Final = (ZONE_LABEL, "topology.kubernetes.io/region")
_NOT_SERVED: Final = ("previous", "sinceSeconds", "sinceTime", "timestamps", "limitBytes", "stream")


class PodRequests:
    """Answers them over a store and the logs that the kubelet leaves."""

    def __init__(self, store: Store, logs: PodLogs) -> None:
        self._store = store
        self._logs = logs

    async def bind(self, _kind: Kind, request: Request) -> Response:
        """Put a pod on a node, whose topology labels it gets (KEP-4742)."""
        node = ((await json_body(request)).get("target") or {}).get("name", "")
        place = request.path_params["namespace"], request.path_params["name"]
        try:
            labels = (self._store.get(NODE, "", node)["metadata"].get("labels") or {}).items()
        except NotFoundError:
            labels = ()
        topology = {label: value for label, value in labels if label in _TOPOLOGY}
        self._store.change(POD, *place, lambda pod: _bound(pod, node, topology))
        return JSONResponse(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
        )

    async def log(self, _kind: Kind, request: Request) -> Response:
        """What a pod's container has written, as plain text; with `follow` until it has ended."""
        asked = request.query_params
        if refused := [name for name in _NOT_SERVED if asked.get(name, "false") not in {"false", "All"}]:
            raise HTTPException(501, f"{refused[0]}: this server's logs know container, follow and tailLines alone")
        place = request.path_params["namespace"], request.path_params["name"]
        pod = self._store.get(POD, *place)
        container = _container(pod, asked.get("container", ""))
        follow, lines = asked.get("follow") in {"1", "true"}, whole_number(asked.get("tailLines"), "tailLines")
        log = self._logs.get(place)
        if log is None:
            _refuse(pod, container)
            return Response(media_type="text/plain")
        return StreamingResponse(log.pieces(follow=follow, tail_lines=lines), media_type="text/plain")


def _bound(pod: Object, node: str, topology: Mapping[str, str]) -> Object:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    if taken := spec.get("nodeName"):
        raise ConflictError(
            f'Operation cannot be fulfilled on pods/binding "{metadata["name"]}": pod {metadata["name"]} is already '
            f'assigned to node "{taken}"'
        )
    now_so = turned(status.get("conditions") or (), {"PodScheduled": {"status": "True"}}, datetime.now(UTC))
    return {
        **pod,
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **topology}},
        "spec": {**spec, "nodeName": node},
        "status": {**status, "conditions": now_so},
    }


def _container(pod: Object, wanted: str) -> str:
    """The name of the container that is asked for; raises `HTTPException` 400."""
    pod_name = pod["metadata"]["name"]
    names = [each.get("name", "") for each in (pod.get("spec") or {}).get("containers") or ()]
    if wanted and wanted not in names:
        raise HTTPException(400, f"container {wanted} is not valid for pod {pod_name}")
    if not wanted and len(names) > 1:
        choice = " ".join(names)
        raise HTTPException(400, f"a container name must be specified for pod {pod_name}, choose one of: [{choice}]")
    return wanted or "".join(names)


def _refuse(pod: Object, container: str) -> None:
    """There is no log yet: raises `HTTPException` 400, unless the pod is on no node, whose log is an empty one."""
    if not (pod.get("spec") or {}).get("nodeName"):
        return
    told: list[Mapping[str, Any]] = (pod.get("status") or {}).get("containerStatuses") or [{}]
    reason = ((told[0].get("state") or {}).get("waiting") or {}).get("reason", "ContainerCreating")
    pulls = reason in {"ErrImagePull", "ImagePullBackOff"}
    why = "trying and failing to pull image" if pulls else reason
    raise HTTPException(400, f'container "{container}" in pod "{pod["metadata"]["name"]}" is waiting to start: {why}')
