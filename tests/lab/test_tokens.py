"""Bearer tokens that end, and requests for them that are no requests."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.authentication import AuthenticationError
from starlette.requests import HTTPConnection

from benchmarks.lab.access import BearerTokens
from benchmarks.lab.store_errors import InvalidError
from benchmarks.lab.tokens import lifetime_s


async def test_a_token_that_was_issued_ends_and_one_that_was_given_does_not() -> None:
    now = [0.0]
    users = BearerTokens({"given": "alice"}, clock=lambda: now[0])
    issued = users.issue("bob", 600)

    async def user_of(token: str) -> str:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "scheme": "http", "server": ("lab", 80), "path": "/api", "headers": headers}
        authenticated = await users.authenticate(HTTPConnection(scope))
        assert authenticated is not None
        return str(authenticated[1].display_name)

    now[0] = 599.0
    assert [await user_of("given"), await user_of(issued)] == ["alice", "bob"]
    now[0] = 600.0
    assert await user_of("given") == "alice"
    with pytest.raises(AuthenticationError):
        await user_of(issued)


@pytest.mark.parametrize("request_", [{}, {"spec": None}, {"spec": {"expirationSeconds": None}}])
def test_who_does_not_say_how_long_gets_an_hour(request_: dict[str, Any]) -> None:
    assert lifetime_s(request_) == 3600


@pytest.mark.parametrize("spec", [["600"], "600", {"expirationSeconds": "600"}, {"expirationSeconds": 599}])
def test_what_is_no_time_is_refused(spec: Any) -> None:
    with pytest.raises(InvalidError, match="spec"):
        lifetime_s({"spec": spec})
