"""The server's side of an HTTP/1.1 connection."""

import pytest

from benchmarks.overheads.http_answers import HttpAnswers

GET = b"GET /ping HTTP/1.1\r\nhost: echo\r\n\r\n"


def test_a_request_that_comes_in_pieces_is_answered_once() -> None:
    answers = HttpAnswers("echo-3")
    sent = [answers.receive(GET[at : at + 1]) for at in range(len(GET))]

    assert not any(sent[:-1])
    head, _, body = sent[-1].partition(b"\r\n\r\n")
    assert b'"echo-3"' in body
    assert f"content-length: {len(body)}".encode() in head


def test_requests_in_one_piece_are_answered_each() -> None:
    assert HttpAnswers("echo-0").receive(GET * 3) == HttpAnswers("echo-0").receive(GET) * 3


def test_an_empty_chunked_body_is_no_request() -> None:
    chunked = GET.replace(b"host", b"transfer-encoding: chunked\r\nhost") + b"0\r\n\r\n"

    assert HttpAnswers("echo-0").receive(chunked * 2) == HttpAnswers("echo-0").receive(GET) * 2


def test_another_method_is_refused() -> None:
    with pytest.raises(ValueError, match="only GET"):
        HttpAnswers("echo-0").receive(GET.replace(b"GET", b"POST"))
