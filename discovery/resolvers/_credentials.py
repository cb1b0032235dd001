"""How to reach the API server: the official package's loaders, and nothing else of that package."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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


async def in_time(blocking: Callable[[], T]) -> T:
    """Run what may run a credential plug-in off the loop, and not for ever; raises TimeoutError that says so."""
    try:
        async with asyncio.timeout(PLUGIN_TIMEOUT_S):
            return await asyncio.to_thread(blocking)
    except TimeoutError:
        raise TimeoutError(
            f"the credentials were not there within {PLUGIN_TIMEOUT_S:g} s (a plug-in that hangs?)"
        ) from None


def _own_namespace() -> str:
    try:
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"
