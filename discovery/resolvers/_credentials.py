"""How to reach the API server: the official package's loaders, and nothing else of that package."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from discovery.resolvers._proxy import proxy_for

if TYPE_CHECKING:
    from kubernetes.client import Configuration

T = TypeVar("T")

PLUGIN_TIMEOUT_S = 60.0
"""For a credential plug-in, which may have to ask a person."""

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Access:
    """A cluster, and who we are there.

    namespace  the pod's own, or that of the kubeconfig's context
    """

    configuration: Configuration
    namespace: str

    @property
    def url(self) -> str:
        return str(self.configuration.host)

    @property
    def proxy(self) -> str | None:
        """The kubeconfig's `proxy-url`, else that of the environment, less what NO_PROXY excepts."""
        return proxy_for(self.url, self.configuration.proxy, self.configuration.no_proxy)

    @property
    def renews(self) -> bool:
        """Whether `headers` may block, as it renews the token: reads its file again, or runs a credential plug-in."""
        return self.configuration.refresh_api_key_hook is not None

    def headers(self) -> dict[str, str]:
        """Those of the next request. Asked for each time, since the loaders renew tokens that expire."""
        bearer = self.configuration.auth_settings().get("BearerToken")
        return {bearer["key"]: bearer["value"]} if bearer and bearer["value"] else {}

    def tls(self) -> ssl.SSLContext:
        """The context for this server: its CA, and our client certificate where we have one."""
        configuration = self.configuration
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        return context


def given(configuration: Configuration) -> Access:
    """Access by a configuration that the user has made."""
    return Access(configuration, _own_namespace())


def load() -> Access:
    """In-cluster access, else that of `KUBECONFIG` or `~/.kube/config`.

    It blocks: it imports the package, reads files and may run a credential plug-in. Raises the package's
    `ConfigException` where there is none of them.
    """
    from kubernetes import client, config  # noqa: PLC0415 - it takes most of a second, which only those who watch should pay

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        # Named here, since the package reads the variable only once, when it is imported.
        file = os.environ.get("KUBECONFIG") or "~/.kube/config"
        config.load_kube_config(file, client_configuration=configuration)
        _, context = config.list_kube_config_contexts(file)
        return Access(configuration, context["context"].get("namespace") or "default")
    return Access(configuration, _own_namespace())


class Credentials:
    """Where a resolver gets its access from, again and again: tokens and certificates change.

    config  one that the user has made; None finds one, as `load` does
    """

    def __init__(self, config: Configuration | None) -> None:
        self._config = config
        self._loading: _Blocking[Access] | None = None

    async def access(self) -> Access:
        """As it is now. Raises as `load` does, and `TimeoutError`."""
        if self._config is not None:
            return given(self._config)
        # One that hangs is waited for again: another plug-in might ask the person who sits there a second time.
        if self._loading is None or self._loading.over:
            self._loading = _Blocking(load)
        return await self._loading.result()

    async def renewed(self, refused: Access) -> Access | None:
        """Others than those that the server has just refused, read anew; None where there are none."""
        access = await self.access()
        return access if await headers_of(access) != await headers_of(refused) else None


async def headers_of(access: Access) -> dict[str, str]:
    """Those of the next request; in a thread, but only where there may be something to wait for."""
    return await _Blocking(access.headers).result() if access.renews else access.headers()


class _Blocking(Generic[T]):
    """A call off the loop that may take its time. Its thread holds up nobody's exit, as asyncio's own would."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._home = asyncio.get_running_loop()
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()  # who stops waiting does not end it
        threading.Thread(target=self._run, args=(call,), name="discovery-credentials", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether it has ended, or was left behind in the parent of this process."""
        return self._future.done() or self._home is not asyncio.get_running_loop()

    async def result(self) -> T:
        """Raises what the call raises, and `TimeoutError` where it takes longer than `PLUGIN_TIMEOUT_S`."""
        try:
            async with asyncio.timeout(PLUGIN_TIMEOUT_S):
                return await asyncio.wrap_future(self._future)
        except TimeoutError:
            raise TimeoutError(
                f"the credentials were not there within {PLUGIN_TIMEOUT_S:g} s (a plug-in that hangs?)"
            ) from None

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is not swallowed: who waits for the result gets it
            self._future.set_exception(error)


def _own_namespace() -> str:
    try:
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"
