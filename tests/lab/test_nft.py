"""What is said when `nft` cannot do what the lab asks for."""

from __future__ import annotations

import pytest

from benchmarks.lab import nft
from benchmarks.lab.errors import LabError
from tests.inside import needs_kernel

pytestmark = needs_kernel


async def test_a_refusal_tells_the_statement() -> None:
    with pytest.raises(LabError) as failure:
        await nft.load("table ip broken { chain x { frobnicate; }; }\n")
    message = str(failure.value)
    assert message.startswith("`nft -f -` failed: ")
    assert "syntax error" in message
    assert "at `table ip broken" in message
    assert "\n" not in message
    assert "modules" not in message


async def test_what_the_kernel_lacks_is_told_with_its_remedy() -> None:
    with pytest.raises(LabError, match=r"No such file.*at `.*@nowhere.*; if the kernel lacks it, load the modules nf_"):
        await nft.load("table ip broken { chain x { ip saddr @nowhere drop; }; }\n")


async def test_a_statement_of_pages_is_cut() -> None:
    elements = ", ".join(f"10.0.{number // 256}.{number % 256}" for number in range(2000))
    with pytest.raises(LabError) as failure:
        await nft.load(f"add element ip nowhere nothing {{ {elements} }}\n")
    assert len(str(failure.value)) < 500


async def test_nothing_of_a_refused_script_is_done() -> None:
    with pytest.raises(LabError):
        await nft.load("add table ip half\nadd chain ip nowhere x\n")
    with pytest.raises(LabError, match="`nft -j list table ip half` failed"):
        await nft.list_json("table", "ip", "half")


async def test_without_the_program_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match="needs the program nft: install the package nftables"):
        await nft.load("")
