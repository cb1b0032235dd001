"""The generated code is what `make proto` makes of echo.proto."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_checked_in_code_is_what_the_proto_generates(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools")
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", *outputs, "protos/echo.proto"], cwd=ROOT, check=True
    )
    generated = {path.name: path.read_text() for path in (tmp_path / "protos").iterdir()}
    assert generated == {path.name: path.read_text() for path in (ROOT / "protos").glob("echo_pb2*")}
