"""The provider's own entry in a registry, for where no Kubernetes tells of its pods."""

from collections.abc import Mapping

from discovery import Endpoint, Registration
from services.provider.identity import Identity


class Entry:
    """Where the provider is registered: each of its ports below the same prefix, as `PREFIX/http` and `PREFIX/grpc`.

    host   at which clients reach it
    ports  by name
    """

    def __init__(self, identity: Identity, host: str, ports: Mapping[str, int], *, ttl_s: int) -> None:
        self._endpoints = {
            name: Endpoint(host, port, identity.pod, zone=identity.zone, node=identity.node)
            for name, port in ports.items()
        }
        self._ttl_s = ttl_s
        self._held: list[Registration] = []

    def at(self, target: str) -> list[Registration]:
        """Registrations at a target, none where it is empty, not started yet; raises ValueError for a wrong one."""
        if not target:
            return []
        prefix = target.rstrip("/")
        return [
            Registration(f"{prefix}/{name}", endpoint, ttl_s=self._ttl_s) for name, endpoint in self._endpoints.items()
        ]

    async def hold(self, registrations: list[Registration], timeout_s: float | None = None) -> None:
        """Be registered there from now on, and nowhere else; raises `Unresolved` where it takes longer, and goes on."""
        former, self._held = self._held, [each.start() for each in registrations]
        try:
            for each in self._held:
                await each.wait_async(timeout_s)
        finally:
            for each in former:
                await each.aclose()

    async def leave(self) -> None:
        """Be registered nowhere."""
        await self.hold([])
