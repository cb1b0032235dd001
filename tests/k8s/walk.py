"""The walk-through of k8s/README.md inside a lab, and what came of it as JSON: `python -m tests.k8s.walk`.

The providers are the lab's pods, in namespace `default`. The consumer is a process beside them, with the token of its
own ServiceAccount, so that it is at localhost: the page is there by `kubectl exec`, which the lab does not serve.
"""

from __future__ import annotations

import doctest
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import kubernetes
import yaml

from .built import FOLDER, Object, build, container, of_kind

KUBECONFIG = Path(os.environ["KUBECONFIG"])
NAMESPACE = "default"
"""Where the names are those that the page uses."""

KEPT = {("Deployment", "echo"), ("Service", "echo")}
KINDS = {"ServiceAccount", "Role", "RoleBinding"}


def kubectl(*arguments: str, content: str | None = None) -> str:
    done = subprocess.run(["kubectl", *arguments], input=content, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def apply(overlay: str) -> None:
    """What `kubectl apply -k` does, with what the providers and the consumer's account need."""
    objects = [each for each in build(overlay) if each["kind"] in KINDS or (each["kind"], _name(each)) in KEPT]
    for each in objects:
        each["metadata"]["namespace"] = NAMESPACE
        for subject in each.get("subjects", ()):
            subject["namespace"] = NAMESPACE
    kubectl("apply", "-f", "-", content=yaml.safe_dump_all(objects))
    kubectl("rollout", "status", "deployment", "echo", "--timeout", "60s")


def _name(each: Object) -> str:
    return str(each["metadata"]["name"])


def kubeconfig_of(account: str, folder: Path) -> Path:
    """The lab's, with the token of a ServiceAccount in place of the administrator's."""
    with kubernetes.config.new_client_from_config(str(KUBECONFIG)) as api:
        core: Any = kubernetes.client.CoreV1Api(api)
        request = {"spec": {"expirationSeconds": 600}}
        token = core.create_namespaced_service_account_token(account, NAMESPACE, request).status.token
    content = json.loads(KUBECONFIG.read_text())
    content["users"][0]["user"] = {"token": token}
    file = folder / account
    file.write_text(json.dumps(content))
    return file


@contextmanager
def consumer(overlay: str, kubeconfig: Path) -> Iterator[None]:
    """The consumer as an overlay runs it, until the block ends."""
    program = container(of_kind(build(overlay), "Deployment")["consumer"]["spec"]["template"])
    command = [sys.executable, *program["command"][1:], *program["args"]]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            log = ""
            while "running on" not in log:
                line = process.stderr.readline()
                if not line:
                    raise RuntimeError(log)
                log += line
            yield
        finally:
            process.kill()


def sessions() -> list[list[doctest.Example]]:
    """The interactive sessions of the page."""
    blocks = (FOLDER / "README.md").read_text().split("```pycon\n")[1:]
    return [doctest.DocTestParser().get_examples(block.partition("```")[0]) for block in blocks]


def talk(session: list[doctest.Example]) -> tuple[str, str]:
    """What the page says that the last line of a session answers, and what it answers."""
    names: dict[str, Any] = {}
    *before, last = session
    for example in before:
        exec(example.source, names)
    return last.want.strip(), repr(eval(last.source, names))


def ask() -> dict[str, str]:
    with urllib.request.urlopen("http://localhost:8080/service") as answer:
        found: dict[str, str] = json.load(answer)
    return found


def main() -> None:
    kubectl("delete", "service/echo", "deployment/echo")  # the lab's own
    once, sticks, unsticks = sessions()
    with tempfile.TemporaryDirectory() as folder:
        apply("kind")
        found: dict[str, Any] = {"one": kubectl("describe", "svc", "echo")}
        token = kubeconfig_of("consumer", Path(folder))
        with consumer("kind", token):
            found["first"] = ask()
            apply("kind-two")
            found["two"] = kubectl("describe", "svc", "echo")
            while (second := ask())["pod"] == found["first"]["pod"]:
                pass  # it hears of the other pod when its watch does
            found["second"] = second
        # One whose first set has both, so that nothing changes between the two calls.
        for overlay, session in (("kind-two", once), ("kind-grpc-service", sticks), ("kind-grpc-watched", unsticks)):
            with consumer(overlay, token):
                found[overlay] = talk(session)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
