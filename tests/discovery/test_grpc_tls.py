"""TLS to pods by the Service's name: which name is verified, client certificates, tokens, and what errors say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import trustme

from discovery.testing import ManualResolver
from tests.discovery.grpc_pods import Pod, client

NAME = "orders.shop.svc.cluster.local"


class Authority:
    """A private CA."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.root = self._ca.cert_pem.bytes()

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """The private key and the chain."""
        issued = self._ca.issue_cert(name)
        return issued.private_key_pem.bytes(), b"".join(each.bytes() for each in issued.cert_chain_pems)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def pod(authority: Authority) -> Iterator[Pod]:
    """Serves with the Service's certificate, to clients that have one of the same CA."""
    tls = grpc.ssl_server_credentials([authority.issue(NAME)], authority.root, require_client_auth=True)
    started = Pod("secure", tls=tls)
    yield started
    started.stop()


def credentials(authority: Authority, client_of: Authority | None = None) -> grpc.ChannelCredentials:
    key, chain = (client_of or authority).issue("client.shop")
    return grpc.ssl_channel_credentials(authority.root, key, chain)


def resolver_of(pod: Pod, *names: str) -> ManualResolver:
    return ManualResolver(pod.endpoint, names=names)


async def test_the_services_name_is_verified_at_the_pods_address(kind: str, authority: Authority, pod: Pod) -> None:
    async with client(kind, resolver=resolver_of(pod, NAME), credentials=credentials(authority)) as under_test:
        assert (await under_test.echo()).pod == "secure"


@pytest.mark.parametrize("option", ["grpc.ssl_target_name_override", "grpc.default_authority"])
async def test_the_user_may_name_another_one(kind: str, authority: Authority, pod: Pod, option: str) -> None:
    options = [(option, NAME)]
    resolver = resolver_of(pod, "other.shop")
    async with client(kind, resolver=resolver, credentials=credentials(authority), options=options) as under_test:
        assert (await under_test.echo()).pod == "secure"


@pytest.mark.parametrize("wrong", ["name", "authority", "client"])
async def test_what_is_not_trusted_takes_no_call(kind: str, authority: Authority, pod: Pod, wrong: str) -> None:
    name = "elsewhere.shop" if wrong == "name" else NAME
    trusted = Authority() if wrong == "authority" else authority
    given = credentials(trusted, Authority() if wrong == "client" else trusted)
    async with client(kind, resolver=resolver_of(pod, name), credentials=given) as under_test:
        with pytest.raises(grpc.RpcError) as raised:
            await under_test.echo(timeout=10)
    assert raised.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert pod.echo.begun.total() == 0


async def test_call_credentials_are_passed_on(kind: str, authority: Authority, pod: Pod) -> None:
    class Token(grpc.AuthMetadataPlugin):
        def __call__(self, context: Any, callback: Any) -> None:
            callback((("authorization", "Bearer letmein"),), None)

    seen: list[Any] = []
    reply = pod.echo.reply

    def noting(message: str, context: grpc.ServicerContext) -> Any:
        seen.append(dict(context.invocation_metadata()).get("authorization"))
        return reply(message, context)

    pod.echo.reply = noting  # type: ignore[method-assign]
    token = grpc.metadata_call_credentials(Token())
    both = grpc.composite_channel_credentials(credentials(authority), token)
    async with client(kind, resolver=resolver_of(pod, NAME), credentials=both) as under_test:
        await under_test.echo()
    async with client(kind, resolver=resolver_of(pod, NAME), credentials=credentials(authority)) as under_test:
        await under_test.echo(credentials=token)
        await under_test.echo()
    assert seen == ["Bearer letmein", "Bearer letmein", None]
