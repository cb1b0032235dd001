"""Where the API server is and who we are there, as the official package's loaders find it."""

import threading
from pathlib import Path

import pytest
import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException

from discovery.resolvers import _credentials as credentials


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path that KUBECONFIG names, outside of any cluster."""
    path = tmp_path / "config"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def config(**context: str) -> str:
    return yaml.safe_dump(
        {
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": "http://10.0.0.9:6443"}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
        }
    )


def test_a_kubeconfig_gives_server_token_and_namespace(kubeconfig: Path) -> None:
    kubeconfig.write_text(config(namespace="shop"))
    access = credentials.load()
    assert (access.url, access.namespace) == ("http://10.0.0.9:6443", "shop")
    assert access.headers() == {"authorization": "Bearer secret"}
    assert "secret" not in repr(access)


def test_a_context_without_a_namespace_means_the_default_one(kubeconfig: Path) -> None:
    kubeconfig.write_text(config())
    assert credentials.load().namespace == "default"


def test_without_any_the_packages_own_error_says_so(kubeconfig: Path) -> None:
    with pytest.raises(ConfigException, match="kube-config"):
        credentials.load()


def test_a_given_configuration_is_taken_as_it_is(kubeconfig: Path) -> None:
    given = Configuration()
    given.host = "https://10.0.0.1"
    access = credentials.given(given)
    assert (access.configuration, access.url, access.headers()) == (given, "https://10.0.0.1", {})


async def test_a_plug_in_that_hangs_is_not_waited_for_nor_run_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PLUGIN_TIMEOUT_S", 0.01)
    released, runs = threading.Event(), []

    def hanging() -> credentials.Access:
        runs.append(threading.current_thread())
        released.wait()
        return credentials.given(Configuration())

    monkeypatch.setattr(credentials, "load", hanging)
    source = credentials.Credentials(None)
    try:
        for _ in range(2):
            with pytest.raises(TimeoutError, match=r"not there within 0.01 s \(a plug-in that hangs"):
                await source.access()
    finally:
        released.set()
    assert [thread.daemon for thread in runs] == [True]
    monkeypatch.setattr(credentials, "PLUGIN_TIMEOUT_S", 60)
    assert (await source.access()).namespace == "default"
