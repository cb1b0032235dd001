"""Running `nft`, the only way in which the lab speaks to the kernel's packet filter."""

from __future__ import annotations

import asyncio
import functools
import re
import subprocess
from typing import Final

from .errors import LabError

# What nft says, under many names, when a part of the kernel that a statement needs is not there.
_LACKING: Final = re.compile(r"No such file or directory|Operation not supported|Protocol not supported")
_REMEDY: Final = "if the kernel lacks it, load the modules nf_tables, nft_ct, nft_nat, nft_masq, nft_numgen, nft_reject"
_SHOWN: Final = 200  # characters of the statement; a set's elements may go on for pages


async def load(script: str) -> None:
    """Apply a script as one transaction: all of it or, raising LabError with what nft says and of what, nothing."""
    try:
        await _run("-f", "-", script=script)
    except LabError as error:
        if _LACKING.search(str(error)):
            raise LabError(f"{error}; {_REMEDY}") from None
        raise


async def list_json(*what: str) -> str:
    """The JSON text of `nft -j list WHAT...`; raises LabError if there is no such thing."""
    return await _run("-j", "list", *what)


async def _run(*arguments: str, script: str = "") -> str:
    # In a thread, and awaited to its end: asyncio's own subprocesses, cancelled while they start, are at times reaped
    # twice, and a transaction that outlived its caller would meet the one that cleans up.
    run = functools.partial(
        subprocess.run, ["nft", *arguments], input=script, capture_output=True, text=True, check=False
    )
    running = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        done = await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
    except FileNotFoundError:
        raise LabError("the lab needs the program nft: install the package nftables") from None
    if done.returncode:
        raise LabError(f"`nft {' '.join(arguments)}` failed: {_explain(done.stderr)}")
    return done.stdout


def _explain(error: str) -> str:
    """The first error, and the statement that it is about."""
    said, *more = error.strip().splitlines() or ["it does not say why"]
    return f"{said}, at `{more[0].strip()[:_SHOWN]}`" if more else said
