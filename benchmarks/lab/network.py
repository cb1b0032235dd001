"""The private network of the lab: addresses and routes, all on the loopback interface, set over rtnetlink.

Written here because `ip` (iproute2) is missing from slim container images, and the lab asks for Python,
util-linux and nftables alone. Message layouts: rtnetlink(7), netlink(7).
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
from ipaddress import IPv4Interface, IPv4Network
from typing import Final

from .errors import LabError

# An address with a prefix on the loopback interface makes the whole prefix local, so pods need no address each.
CLIENT_POD: Final = IPv4Interface("10.64.0.1/16")
API_SERVER: Final = IPv4Interface("10.250.0.1/32")
NODE: Final = IPv4Interface("10.250.0.2/32")
SERVICE_CIDR: Final = IPv4Network("10.96.0.0/16")
NAMESERVER: Final = "10.96.0.10"
DNS_POD: Final = "10.64.0.2"

_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE = 16, 20, 24
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_NLMSG_ERROR = 2
_REQUEST_ACK, _CREATE_EXCL, _CREATE_REPLACE = 0x1 | 0x4, 0x400 | 0x200, 0x400 | 0x100
_IFF_UP = 0x1
_RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL = 255, 4, 254, 2

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_LINK = struct.Struct("=BxHiII")  # family, device type, index, flags, change mask
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_ERROR = struct.Struct("=i")


def configure() -> None:
    """Give this network namespace, fresh from `unshare`, the lab's addresses and routes.

    Raises LabError when the kernel refuses, as it does outside a namespace of our own.
    """
    loopback = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        sequence = itertools.count(1)
        kernel.bind((0, 0))
        _request(kernel, next(sequence), _RTM_NEWLINK, 0, _LINK.pack(0, 0, loopback, _IFF_UP, _IFF_UP))
        for interface in (CLIENT_POD, API_SERVER, NODE):
            body = _ADDRESS.pack(socket.AF_INET, interface.network.prefixlen, 0, 0, loopback)
            body += _attribute(_IFA_LOCAL, interface.packed) + _attribute(_IFA_ADDRESS, interface.packed)
            _request(kernel, next(sequence), _RTM_NEWADDR, _CREATE_EXCL, body)
        _request(kernel, next(sequence), _RTM_NEWROUTE, _CREATE_EXCL, _service_route(loopback, SERVICE_CIDR))


def lead_to(cluster_ip: str) -> None:
    """Have a route to a ClusterIP that is not of the lab's range, as other API servers give them.

    Raises LabError as `configure` does.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        route = _service_route(socket.if_nametoindex("lo"), IPv4Network(cluster_ip))
        _request(kernel, 1, _RTM_NEWROUTE, _CREATE_REPLACE, route)


def _service_route(loopback: int, addresses: IPv4Network) -> bytes:
    """Without a route to ClusterIPs, connect() fails before any nftables rule can see the packet.

    It is a local one, because the kernel sends the ICMP error of a `reject` on the loopback interface from the
    address that was asked for, and keeps silent where that is not an address of this host. What is left of being
    on one host: a connect() without a time limit hears of the rejection only with its first retransmission, after
    1 s, because the kernel drops ICMP errors for a socket that is in use. With a time limit, or in asyncio, and so
    in httpx and grpc, it is not blocked in connect(), and hears of it at once.
    """
    prefix = addresses.prefixlen
    head = _ROUTE.pack(socket.AF_INET, prefix, 0, 0, _RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL, 0)
    return (
        head
        + _attribute(_RTA_DST, addresses.network_address.packed)
        + _attribute(_RTA_OIF, struct.pack("=i", loopback))
        + _attribute(_RTA_PREFSRC, CLIENT_POD.packed)
    )


def _attribute(kind: int, four_bytes: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(four_bytes), kind) + four_bytes


def _request(kernel: socket.socket, sequence: int, kind: int, flags: int, body: bytes) -> None:
    """Send one request and wait for the kernel's acknowledgement."""
    size = _HEADER.size + len(body)
    kernel.send(_HEADER.pack(size, kind, _REQUEST_ACK | flags, sequence, 0) + body)
    reply = kernel.recv(65536)
    _, answer, _, answered, _ = _HEADER.unpack_from(reply)
    if answer != _NLMSG_ERROR or answered != sequence:
        raise LabError(f"the kernel answered rtnetlink request {kind} with message {answer}, not with a status")
    (status,) = _ERROR.unpack_from(reply, _HEADER.size)
    if status:
        reason = f"{errno.errorcode.get(-status, -status)}: {os.strerror(-status)}"
        raise LabError(f"the lab's network cannot be set up, rtnetlink request {kind} failed ({reason})")
