from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class EchoRequest(_message.Message):
    __slots__ = ("message", "replies")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    message: str
    replies: int
    def __init__(self, message: _Optional[str] = ..., replies: _Optional[int] = ...) -> None: ...

class EchoReply(_message.Message):
    __slots__ = ("message", "pod", "node", "zone", "peer")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    message: str
    pod: str
    node: str
    zone: str
    peer: str
    def __init__(self, message: _Optional[str] = ..., pod: _Optional[str] = ..., node: _Optional[str] = ..., zone: _Optional[str] = ..., peer: _Optional[str] = ...) -> None: ...
