"""A patient client asks again what it may, and takes for done what others have done."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from benchmarks.lab.client import ApiError
from benchmarks.lab.kinds import POD, SERVICE
from benchmarks.lab.patient import PatientClient

ACCOUNT = 'pods "a" is forbidden: error looking up service account x/default: serviceaccount "default" not found'


class Server:
    """Answers with these, one after the other; an exception is raised."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.asked = 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[PatientClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server), base_url="http://api") as http:
        yield PatientClient.over(http)


def refusal(code: int, message: str = "no") -> httpx.Response:
    return httpx.Response(code, json={"code": code, "reason": "", "message": message})


DONE = {"metadata": {"name": "a"}}


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_what_is_refused_for_the_moment_is_asked_again(client: PatientClient, server: Server, code: int) -> None:
    server.answers = [refusal(code), refusal(code), httpx.Response(200, json=DONE)]

    assert await client.create(SERVICE, "x", DONE) == DONE
    assert server.asked == 3


async def test_a_young_namespace_is_waited_for_until_it_takes_pods(client: PatientClient, server: Server) -> None:
    server.answers = [refusal(403, ACCOUNT), httpx.Response(201, json=DONE)]

    assert await client.create(POD, "x", DONE) == DONE


async def test_what_is_forbidden_for_good_is_not_asked_again(client: PatientClient, server: Server) -> None:
    server.answers = [refusal(403, "pods is forbidden")]

    with pytest.raises(ApiError, match="pods is forbidden"):
        await client.create(POD, "x", DONE)


async def test_after_a_lost_connection_only_what_makes_nothing_new_is_asked_again(
    client: PatientClient, server: Server
) -> None:
    server.answers = [httpx.ReadError("gone"), httpx.Response(200, json=DONE)]
    assert await client.get(POD, "x", "a") == DONE

    server.answers = [httpx.ReadError("gone")]
    with pytest.raises(httpx.ReadError):
        await client.create(POD, "x", DONE)


async def test_what_is_gone_already_counts_as_deleted_and_is_missed_by_who_reads_it(
    client: PatientClient, server: Server
) -> None:
    server.answers = [refusal(404)]
    await client.delete(POD, "x", "a")

    server.answers = [refusal(404)]
    with pytest.raises(ApiError) as refused:
        await client.get(POD, "x", "a")
    assert refused.value.code == 404
