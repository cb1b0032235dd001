"""What every controller does: follow its kinds, and after each burst of changes write what has to be written."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import httpx

from .client import ApiClient, ApiError
from .kinds import POD, Object
from .mirror import RETRY_S, Mirror, passing

_QUIET_S = 0.003  # a burst of changes is over when nothing has come for so long
_BURST_S = 0.02  # but what has come by then is written
_FORBIDDEN_RETRY_S = 1.0


async def reconcile(mirrors: Sequence[Mirror], changed: asyncio.Event, write: Callable[[], Awaitable[None]]) -> None:
    """Run the mirrors, which have to set `changed`, and `write` after every burst of changes, until cancelled.

    Raises an `ExceptionGroup` of `ApiError` if the API server refuses it; where there is none, it waits.
    """
    async with asyncio.TaskGroup() as group:
        for mirror in mirrors:
            group.create_task(mirror.run(), name=f"controller's mirror of {mirror.kind.plural}")
        for mirror in mirrors:
            await mirror.listed.wait()
        while True:
            await _burst(changed)
            try:
                await write()
            except ApiError as error:
                # Those: somebody else wrote in between, whose event may be on its way.
                if error.code not in {404, 409} and not of_ending_namespace(error):
                    if not passing(error):
                        raise
                    await asyncio.sleep(RETRY_S)
                await asyncio.sleep(_QUIET_S)
                changed.set()
            except httpx.TransportError:
                await asyncio.sleep(RETRY_S)
                changed.set()


def of_ending_namespace(error: ApiError) -> bool:
    """Whether something was not created because its namespace is about to go."""
    return error.code == 403 and str(error).endswith("because it is being terminated")


class PodMaker:
    """Creates the pods of a controller, which has `changed` set again later on where the API server forbids one."""

    def __init__(self, client: ApiClient, changed: asyncio.Event) -> None:
        self._client = client
        self._changed = changed

    async def create(self, namespace: str, pod: Object) -> Object | str:
        """The new pod, or why it is forbidden: its service account is missing, say, or its namespace is about to go."""
        try:
            return await self._client.create(POD, namespace, pod)
        except ApiError as error:
            if error.code != 403:
                raise
            asyncio.get_running_loop().call_later(_FORBIDDEN_RETRY_S, self._changed.set)
            return str(error)


async def _burst(changed: asyncio.Event) -> None:
    """Wait for a change and for what comes right behind it, so that several pods make one write."""
    await changed.wait()
    clock = asyncio.get_running_loop().time
    end = clock() + _BURST_S
    while changed.is_set() and clock() < end:
        changed.clear()
        try:
            async with asyncio.timeout(_QUIET_S):
                await changed.wait()
        except TimeoutError:
            return
    changed.clear()
