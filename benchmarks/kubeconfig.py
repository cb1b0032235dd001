"""The API server that a kubeconfig names, by the official package's loader: whatever one logs in by.

A client of it, and the way to it for those who are where nothing else leads out.
"""

from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import yaml

from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.errors import LabError
from benchmarks.lab.passage import Passage
from benchmarks.lab.surroundings import NAMESPACES
from discovery.resolvers._credentials import Access, load

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_TIMEOUT_S = 30.0
_CONNECT_S = 10.0


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
    configuration, chosen = _loaded(file, context)
    access = Access(configuration, chosen["context"].get("namespace") or "default")
    return Door(access.url, chosen["name"], access.namespace, _client(access))


def from_within() -> tuple[str, ApiClient]:
    """The namespace of this pod, and a client as its service account; without one, as `KUBECONFIG` says."""
    access = load()
    return access.namespace, _client(access)


@contextmanager
def told(way_in: Door) -> Iterator[None]:
    """Have what the API server does to us be said in one line, by a LabError."""
    server = f"the API server {way_in.url} of context {way_in.context}"
    try:
        yield
    except ApiError as error:
        who = ": log in again, or use another context" if error.code == 401 else ""
        raise LabError(f"{server} refuses ({error.code} {error}){who}") from None
    except httpx.TransportError as error:
        see = ": see certificate-authority and tls-server-name in the kubeconfig" if _is_unverified(error) else ""
        raise LabError(f"{server} cannot be reached ({str(error) or type(error).__name__}){see}") from None


def _is_unverified(error: BaseException | None) -> bool:
    """Whether behind an error is a certificate that is not trusted."""
    return error is not None and (
        isinstance(error, ssl.SSLCertVerificationError) or _is_unverified(error.__cause__ or error.__context__)
    )


def passage(file: Path | None, context: str | None, namespace: str) -> Passage:
    """The way to it from the lab's network, with a kubeconfig that says who we are now: tokens in it are not renewed.

    Its context's namespace is the one that is given.

    It blocks, and raises LabError, as `door` does; also where the server does not listen, or a proxy is in between.
    """
    configuration, chosen = _loaded(file, context)
    url, name = httpx.URL(str(configuration.host)), chosen["name"]
    if url.scheme not in {"http", "https"} or not url.host:
        raise LabError(f"context {name} has the server {url}: it must be like https://HOST:PORT")
    if proxy := Access(configuration, namespace).proxy:
        shown = httpx.URL(proxy).copy_with(username=None, password=None)
        raise LabError(
            f"{url} of context {name} is behind the proxy {shown}, and this has to connect to it directly: "
            "take proxy-url out of the kubeconfig, or have NO_PROXY name the server"
        )
    port = url.port or {"https": 443}.get(url.scheme, 80)
    try:
        socket.create_connection((url.host, port), _CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise LabError(f"{url} of context {name} cannot be reached: {reason}: is this the right context?") from None
    cluster: dict[str, Any] = {
        "server": f"{url.scheme}://{NAMESPACES.api_host}:{NAMESPACES.api_port}{url.path.rstrip('/')}"
    }
    if url.scheme == "https":
        cluster["tls-server-name"] = configuration.tls_server_name or url.host
        if not configuration.verify_ssl:
            cluster["insecure-skip-tls-verify"] = True
        elif configuration.ssl_ca_cert:
            cluster["certificate-authority-data"] = _base64(configuration.ssl_ca_cert)
    user = _identity(configuration, name)
    place = {"cluster": str(url), "user": "user", "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        # To a reader the server is where it is outside.
        "clusters": [{"name": str(url), "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": name, "context": place}],
        "current-context": name,
    }
    return Passage(url.host, port, content)


def _identity(configuration: Configuration, context: str) -> dict[str, str]:
    user = {}
    if configuration.cert_file:
        user["client-certificate-data"] = _base64(configuration.cert_file)
        user["client-key-data"] = _base64(configuration.key_file or configuration.cert_file)
    bearer = configuration.auth_settings().get("BearerToken")
    if bearer and bearer["value"]:
        scheme, _, token = str(bearer["value"]).partition(" ")
        if scheme != "Bearer":
            raise LabError(
                f"the user of context {context} has a password, which API servers no longer take: use a token"
            )
        user["token"] = token
    return user


def _base64(file: str) -> str:
    return base64.b64encode(Path(file).read_bytes()).decode()


def _loaded(file: Path | None, context: str | None) -> tuple[Configuration, dict[str, Any]]:
    """What the loader makes of a context, and the context itself; raises LabError, in one line."""
    from kubernetes import client, config  # noqa: PLC0415 - it takes most of a second

    configuration = client.Configuration()
    # Named here, since the package reads the variable only once, when it is imported.
    path = str(file or os.environ.get("KUBECONFIG") or "~/.kube/config")
    try:
        contexts, current = config.list_kube_config_contexts(path)
        known = {each["name"]: each for each in contexts}
        if context and context not in known:
            raise LabError(f"{path}: there is no context {context}: choose from {', '.join(known)}")
        with _logged() as said:
            config.load_kube_config(path, context=context, client_configuration=configuration)
    except (config.ConfigException, OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise LabError(f"{path} gives no access to a cluster: {_line(error)}") from None
    if said:
        raise LabError(f"{path} gives no access to a cluster: {' '.join(said[0].split())}")
    return configuration, known[context] if context else current


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What the loader has to say of a credential plug-in that failed: it raises nothing."""
    handler = _Lines(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield handler.lines
    finally:
        logging.getLogger().removeHandler(handler)


class _Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _client(access: Access) -> ApiClient:
    server_name = access.configuration.tls_server_name
    http = httpx.AsyncClient(
        base_url=access.url,
        auth=_Bearer(access),
        verify=access.tls(),
        proxy=access.proxy,
        trust_env=False,  # the proxy of the environment is known by now
        limits=httpx.Limits(max_connections=None),  # each watch holds a connection
        timeout=_TIMEOUT_S,
        event_hooks={"request": [_as(server_name)]} if server_name else {},
    )
    return ApiClient.over(http)


class _Bearer(httpx.Auth):
    """Whoever the loader says we are; it renews tokens that expire."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self._access.headers())
        yield request


def _as(server_name: str) -> Callable[[httpx.Request], Awaitable[None]]:
    """Have TLS ask for this name, and trust no other."""

    async def name(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, "sni_hostname": server_name}

    return name


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
