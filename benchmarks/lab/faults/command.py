"""`python -m benchmarks.lab fault`: what the API server of a running lab is told to do wrong, from another terminal."""

from __future__ import annotations

import argparse
import base64
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from services.options import Parser

from ..errors import LabError
from .catalogue import Faults
from .control import NAMES, PATH, options_of

_LIST: Final = "list"
_CLEAR: Final = "clear"


def faults_command(arguments: Sequence[str]) -> int:
    """Carry out `NAME [OPTION=VALUE]...`, `list` or `clear` at the API server that KUBECONFIG names.

    Returns the exit status; a mistake in the words ends the process with status 2. Raises LabError if the server is
    not there or refuses.
    """
    wanted = parse(arguments)
    options = dict(_split(option) for option in wanted.options)
    method, path = {_LIST: ("GET", PATH), _CLEAR: ("DELETE", PATH)}.get(wanted.name, ("POST", f"{PATH}/{wanted.name}"))
    with _client() as client:
        try:
            answer = client.request(method, path, params=options)
        except httpx.TransportError as error:
            raise LabError(
                f"no answer from {client.base_url}: {error}: does the lab run, and is it not cut off?"
            ) from None
    if answer.is_error:
        raise LabError(_message(answer))
    for fault in answer.json():
        print(f"{fault['name']}  of {fault['of']}  met {fault['met']}")
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the words; a mistake ends the process with status 2 and one line."""
    parser = Parser(
        prog="benchmarks.lab fault",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Have the API server of the running lab misbehave; afterwards, the faults in force are printed.",
        epilog="\n".join(["faults", *map(_described, NAMES)]),
    )
    parser.add_argument("name", choices=[_LIST, _CLEAR, *NAMES], metavar="NAME", help="a fault, or `list` or `clear`")
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE", help="such as count=3 for_s=10 of=watches")
    return parser.parse_args(arguments)


def _described(name: str) -> str:
    summary = (getattr(Faults, name).__doc__ or "").partition("\n")[0]
    return f"  {' '.join([name, *(f'{option}=' for option in options_of(name))])}\n      {summary}"


def _split(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals:
        raise LabError(f"{option!r} is not an option: the form is OPTION=VALUE, as in count=3")
    return name, value


def _client() -> httpx.Client:
    """A client of the server that the kubeconfig's first cluster and user name, as the lab writes it."""
    file = os.environ.get("KUBECONFIG")
    if not file:
        raise LabError("KUBECONFIG is not set: name the file that `python -m benchmarks.lab up` prints")
    try:
        content: Any = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        headers = {"authorization": f"Bearer {user['token']}"}
        return httpx.Client(base_url=cluster["server"], headers=headers, verify=_tls(cluster), trust_env=False)
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise LabError(f"{file} is not a kubeconfig of the lab: {error}") from None


def _tls(cluster: dict[str, str]) -> ssl.SSLContext:
    authority = base64.b64decode(cluster.get("certificate-authority-data", "")).decode()
    return ssl.create_default_context(cadata=authority or None)


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, LookupError, TypeError):
        return f"the server answered {answer.status_code}: is {answer.url} the lab's?"
