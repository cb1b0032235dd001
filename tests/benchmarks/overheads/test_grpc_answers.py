"""The server's side of a gRPC connection, judged by h2, which raises where a frame breaks a rule of HTTP/2."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, PingAckReceived, SettingsAcknowledged, StreamEnded, TrailersReceived
from h2.settings import SettingCodes

from benchmarks.overheads.grpc_answers import GrpcAnswers
from protos.echo_pb2 import EchoReply

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/echo.v1.Echo/Echo"), (":authority", "echo")]
MESSAGE = b"\0\0\0\0\0"


class Client:
    """h2's side; `exchange` hands over what either has to say until both are silent, `size` bytes at a time."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.answers = GrpcAnswers("echo-7")
        self.size = size

    def exchange(self) -> list[Event]:
        events: list[Event] = []
        while data := self.h2.data_to_send():
            for at in range(0, len(data), self.size):
                events += self.h2.receive_data(self.answers.receive(data[at : at + self.size]))
        return events

    def call(self, message: bytes = MESSAGE) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, REQUEST)
        self.h2.send_data(stream, message, end_stream=True)
        return stream


def kinds(events: list[Event], kind: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_each_call_gets_the_reply_and_the_status(size: int) -> None:
    client = Client(size)
    streams = [client.call(), client.call(), client.call()]

    events = client.exchange()

    assert [event.stream_id for event in events if isinstance(event, StreamEnded)] == streams
    for event in events:
        if isinstance(event, DataReceived):
            assert event.data is not None
            assert event.data[:5] == bytes((0, 0, 0, 0, len(event.data) - 5))
            assert EchoReply.FromString(event.data[5:]).pod == "echo-7"
        if isinstance(event, TrailersReceived):
            assert [(str(name), str(value)) for name, value in event.headers or ()] == [("grpc-status", "0")]
    assert len(kinds(events, DataReceived)) == len(kinds(events, TrailersReceived)) == 3
    assert kinds(events, SettingsAcknowledged)


def test_a_ping_is_answered() -> None:
    client = Client()
    client.h2.ping(b"12345678")

    (event,) = kinds(client.exchange(), PingAckReceived)

    assert isinstance(event, PingAckReceived)
    assert event.ping_data == b"12345678"


def test_replies_wait_for_the_connections_window() -> None:
    client = Client()
    calls = 5000
    events: list[Event] = []
    for _ in range(calls):
        client.call()
        events += client.exchange()
    received = sum(event.flow_controlled_length or 0 for event in events if isinstance(event, DataReceived))
    answered = len(kinds(events, StreamEnded))
    assert answered < calls
    assert received <= 65_535

    while more := received:
        client.h2.increment_flow_control_window(more)
        new = client.exchange()
        answered += len(kinds(new, StreamEnded))
        received = sum(event.flow_controlled_length or 0 for event in new if isinstance(event, DataReceived))

    assert answered == calls


def test_no_reply_to_a_stream_that_was_reset_while_it_waited() -> None:
    client = Client()
    waiting = client.call()
    while kinds(client.exchange(), StreamEnded):
        waiting = client.call()
    client.h2.reset_stream(waiting)
    client.exchange()
    client.h2.increment_flow_control_window(65_535)

    assert not kinds(client.exchange(), StreamEnded)


def test_the_window_for_requests_is_opened_again() -> None:
    client = Client()
    client.exchange()
    message = MESSAGE + bytes(16_000)
    for _ in range(4000):
        client.call(message)
        client.h2.increment_flow_control_window(100)
        assert kinds(client.exchange(), StreamEnded)


def test_what_is_not_http_2_is_refused() -> None:
    with pytest.raises(ValueError, match="not HTTP/2"):
        GrpcAnswers("echo-0").receive(b"GET / HTTP/1.1\r\nhost: echo\r\n\r\n")


def test_a_window_smaller_than_the_reply_is_refused() -> None:
    client = Client()
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 3})

    with pytest.raises(ValueError, match="smaller than the reply"):
        client.exchange()
