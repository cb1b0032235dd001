"""Connections that pods have accepted from the client pod, or by a node's port, counted by the kernel.

A rule of the lab's own counts the SYN-ACKs on their way from a pod to the client, before the Service's address
takes the place of the pod's. So neither refused connections are in it nor health probes, which the node makes.
"""

from __future__ import annotations

import json
from typing import Final

from . import nft
from .network import CLIENT_POD, NODE

_TABLE: Final = "ip discovery-lab"
_SCRIPT: Final = f"""\
add table {_TABLE}
delete table {_TABLE}
table {_TABLE} {{
    set accepted {{
        type ipv4_addr
        size 65535
        flags dynamic
    }}
    chain output {{
        type filter hook output priority 0; policy accept;
        tcp flags & (syn | ack) != syn | ack accept
        ct original ip saddr != {CLIENT_POD.ip} ct original ip daddr != {NODE.ip} accept
        add @accepted {{ ip saddr counter }}
    }}
}}
"""


async def start() -> None:
    """Begin to count, from zero."""
    await nft.load(_SCRIPT)


async def read() -> dict[str, int]:
    """Connections accepted so far by address; an address that has accepted none is not in it."""
    found = json.loads(await nft.list_json("set", *_TABLE.split(), "accepted"))
    (accepted,) = (entry["set"] for entry in found["nftables"] if "set" in entry)
    elements = (element["elem"] for element in accepted.get("elem", ()))
    return {element["val"]: element["counter"]["packets"] for element in elements}
