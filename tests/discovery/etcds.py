"""A real etcd for tests: what is written to it, and a way to it that can be cut, held and listened to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from benchmarks.lab.etcd import missing

NO_ETCD = missing()
"""Why this run cannot test with an etcd, in one line; None if it can."""


def base64_of(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Keys:
    """An operator's hands: raw calls of the gateway."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}"

    async def post(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        headers = {"Authorization": token} if token else {}
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            response = await client.post(f"{self._url}{path}", json=body, headers=headers, timeout=30)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def put(self, key: str, value: str) -> None:
        await self.post("/v3/kv/put", {"key": base64_of(key), "value": base64_of(value)})

    async def replace(self, prefix: str, addresses: Sequence[str]) -> None:
        """Have exactly these registered below a prefix, in one step."""
        found = await self.keys(prefix)
        wanted = {f"{prefix}{address}" for address in addresses}
        gone = [{"request_delete_range": {"key": base64_of(key)}} for key in found if key not in wanted]
        new = [
            {"request_put": {"key": base64_of(f"{prefix}{each}"), "value": base64_of(json.dumps({"address": each}))}}
            for each in addresses
            if f"{prefix}{each}" not in found
        ]
        for begin in range(0, max(1, len(gone + new)), 100):  # etcd's most in one transaction is 128
            await self.post("/v3/kv/txn", {"success": (gone + new)[begin : begin + 100]})

    async def keys(self, prefix: str) -> list[str]:
        request = {"key": base64_of(prefix), "range_end": base64_of(prefix[:-1] + chr(ord(prefix[-1]) + 1))}
        answer = await self.post("/v3/kv/range", {**request, "keys_only": True})
        return [base64.b64decode(pair["key"]).decode() for pair in answer.get("kvs", ())]

    async def compact(self) -> None:
        """Forget all but what is so now."""
        revision = (await self.post("/v3/kv/range", {"key": base64_of("x")}))["header"]["revision"]
        await self.post("/v3/kv/compaction", {"revision": revision, "physical": True})

    async def revoke_all(self) -> None:
        """End every lease."""
        for lease in (await self.post("/v3/lease/leases", {})).get("leases", ()):
            await self.post("/v3/lease/revoke", {"ID": lease["ID"]})


class Door:
    """Passes connections on to an etcd.

    address  of the door
    before   awaited with what a client sends, before it is passed on
    deaf     passes nothing back any more on the connection of a watch
    """

    def __init__(self, etcd: str) -> None:
        self._etcd = etcd
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._port = 0
        self._server: asyncio.Server | None = None
        self.before: Callable[[bytes], Awaitable[None]] | None = None
        self.deaf = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @asynccontextmanager
    async def opened(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Door]:
        await self.open(tls)
        try:
            yield self
        finally:
            await self.close()

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=tls)
            self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections from now on, and cut those that are there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        with contextlib.closing(writer), contextlib.suppress(OSError):
            upstream, up = await asyncio.open_connection(*self._etcd.split(":"))
            watching = asyncio.Event()
            self._writers |= {writer, up}
            passes = [
                asyncio.create_task(self._pass(reader, up, watching, request=True)),
                asyncio.create_task(self._pass(upstream, writer, watching, request=False)),
            ]
            try:
                await asyncio.wait(passes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in passes:
                    each.cancel()
                await asyncio.gather(*passes, return_exceptions=True)
                self._writers -= {writer, up}
                writer.transport.abort()
                up.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watching: asyncio.Event, *, request: bool
    ) -> None:
        while data := await reader.read(65536):
            if request and b"/v3/watch" in data:
                watching.set()
            if request and self.before is not None:
                await self.before(data)
            if request or not (self.deaf and watching.is_set()):
                writer.write(data)
                await writer.drain()
