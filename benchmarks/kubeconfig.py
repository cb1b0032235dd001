"""A client of the API server that a kubeconfig names, by the official package's loader: whatever one logs in by."""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from benchmarks.lab.client import ApiClient
from benchmarks.lab.errors import LabError

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_TIMEOUT_S = 30.0
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Door(NamedTuple):
    """An API server, and who we are there.

    url      where it is; `client` asks it
    context  the kubeconfig's, by which a reader knows it; `namespace` is its own
    """

    url: str
    context: str
    namespace: str
    client: ApiClient


def door(file: Path | None, context: str | None) -> Door:
    """That of a context, the current one if none is given, of a file, `KUBECONFIG` or `~/.kube/config` if none is.

    It blocks: it reads files and may run a credential plug-in. Raises LabError, in one line.
    """
    from kubernetes import client, config  # noqa: PLC0415 - it takes most of a second

    configuration = client.Configuration()
    # Named here, since the package reads the variable only once, when it is imported.
    path = str(file or os.environ.get("KUBECONFIG") or "~/.kube/config")
    try:
        contexts, current = config.list_kube_config_contexts(path)
        names = [each["name"] for each in contexts]
        if context and context not in names:
            raise LabError(f"{path}: there is no context {context}: choose from {', '.join(names)}")
        config.load_kube_config(path, context=context, client_configuration=configuration)
    except (config.ConfigException, OSError, ValueError) as error:
        raise LabError(f"{path} gives no access to a cluster: {_line(error)}") from None
    chosen = next(each for each in contexts if each["name"] == context) if context else current
    namespace = chosen["context"].get("namespace") or "default"
    return Door(str(configuration.host), chosen["name"], namespace, _client(configuration))


def from_within() -> tuple[str, ApiClient]:
    """The namespace of this pod, and a client as its service account; without one, as `door` says.

    Raises LabError, in one line.
    """
    from kubernetes import client, config  # noqa: PLC0415 - as above

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        found = door(None, None)
        return found.namespace, found.client
    return _OWN_NAMESPACE.read_text().strip(), _client(configuration)


def _client(configuration: Configuration) -> ApiClient:
    http = httpx.AsyncClient(
        base_url=str(configuration.host),
        auth=_Bearer(configuration),
        verify=_tls(configuration),
        proxy=configuration.proxy or None,
        limits=httpx.Limits(max_connections=None),  # each watch holds a connection
        timeout=_TIMEOUT_S,
        event_hooks={"request": [_as(configuration.tls_server_name)]} if configuration.tls_server_name else {},
    )
    return ApiClient.over(http)


class _Bearer(httpx.Auth):
    """Whoever the loader says we are; it renews tokens that expire."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        bearer = self._configuration.auth_settings().get("BearerToken")
        if bearer and bearer["value"]:
            request.headers[bearer["key"]] = bearer["value"]
        yield request


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _as(server_name: str) -> Callable[[httpx.Request], Awaitable[None]]:
    """Have TLS ask for this name, and trust no other."""

    async def name(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, "sni_hostname": server_name}

    return name


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
