"""Running `nft`, the only way in which the lab speaks to the kernel's packet filter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE

from .errors import LabError


async def load(script: str) -> None:
    """Apply a script as one transaction: all of it or, raising LabError with nft's first words, nothing."""
    await _run("-f", "-", script=script)


async def list_json(*what: str) -> str:
    """The JSON text of `nft -j list WHAT...`; raises LabError if there is no such thing."""
    return await _run("-j", "list", *what)


async def _run(*arguments: str, script: str = "") -> str:
    process = await asyncio.create_subprocess_exec("nft", *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        output, error = await process.communicate(script.encode())
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not process.kill(): it may reap the process, and asyncio, which waits for it, complains.
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise LabError(f"`nft {' '.join(arguments)}` failed: {error.decode().strip().partition(chr(10))[0]}")
    return output.decode()
