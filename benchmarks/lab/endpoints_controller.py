"""The Endpoints controller: writes, through the API, what `endpoints` makes of each Service's pods."""

import asyncio

from .client import ApiClient
from .controllers import reconcile
from .endpoints import MANAGED_BY, endpoints_of
from .kinds import ENDPOINTS, POD, SERVICE, key_of, labels_of
from .mirror import Mirror
from .slice_controller import serves_by_selector


async def run_endpoints_controller(client: ApiClient) -> None:
    """Keep the Endpoints of all Services up to date until cancelled.

    Raises an `ExceptionGroup` of `ApiError` if the API server refuses it; where there is none, it waits.
    """
    changed = asyncio.Event()
    services, pods, written = mirrors = tuple(Mirror(client, kind, changed.set) for kind in (SERVICE, POD, ENDPOINTS))

    async def write() -> None:
        wanted = {
            key_of(service): endpoints_of(service, pods.objects.values())
            for service in services.objects.values()
            if serves_by_selector(service)
        }
        for key, new in wanted.items():
            if (old := written.objects.get(key)) is None:
                written.note(await client.create(ENDPOINTS, key[0], new))
            elif (old.get("subsets"), labels_of(old)) != (new["subsets"], labels_of(new)):
                metadata = {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}
                written.note(await client.replace(ENDPOINTS, {**new, "metadata": metadata}))
        for key, old in tuple(written.objects.items()):
            if key not in wanted and MANAGED_BY.items() <= labels_of(old).items():
                await client.delete(ENDPOINTS, *key)

    await reconcile(mirrors, changed, write)
