"""Pods cut off from the network without a sign of it: what is sent to them or by them is lost on the way.

The drop is where packets arrive, because one where they leave would tell the sender, with EPERM. There a Service's
address has taken the pod's place in what the pod answers; connection tracking still knows whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from . import nft

_TABLE: Final = "ip discovery-lab-cuts"
_SCRIPT: Final = f"""\
add table {_TABLE}
delete table {_TABLE}
table {_TABLE} {{
    set cut {{
        type ipv4_addr
    }}
    chain input {{
        type filter hook input priority -10; policy accept;
        ct original ip saddr @cut drop
        ct reply ip saddr @cut drop
    }}
}}
"""


async def start() -> None:
    """Begin with no address cut off."""
    await nft.load(_SCRIPT)


async def cut(addresses: Iterable[str]) -> None:
    """Lose from now on what these addresses send and what is sent to them; connections stay open, and hang."""
    await nft.load(_element("add", addresses))


async def heal(addresses: Iterable[str]) -> None:
    """End it; what is still being sent again arrives. Addresses that were not cut off are left as they are."""
    addresses = tuple(addresses)
    # Added first, because to delete what is not there is an error.
    await nft.load(_element("add", addresses) + _element("delete", addresses))


def _element(verb: str, addresses: Iterable[str]) -> str:
    return "".join(f"{verb} element {_TABLE} cut {{ {address} }}\n" for address in addresses)
