"""Faults of a whole cluster's API server, behind TLS: they meet its clients, and not the cluster itself."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator

import httpx
import kubernetes
import pytest

from benchmarks.lab.faults import Fault
from benchmarks.lab.kinds import POD, SERVICE
from tests.conftest import Lab


@pytest.fixture
def client(lab: Lab) -> Iterator[httpx.Client]:
    """A client of the server that the kubeconfig names."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(lab.cluster.kubeconfig), client_configuration=configuration)
    headers = {"authorization": str(configuration.auth_settings()["BearerToken"]["value"])}
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    url = configuration.host
    with httpx.Client(base_url=url, headers=headers, verify=tls, trust_env=False, timeout=30) as connected:
        yield connected
    lab.portal.call(lab.cluster.faults.clear)


def begin(lab: Lab, name: str, **options: object) -> Fault:
    fault = lab.portal.call(functools.partial(getattr(lab.cluster.faults, name), **options))
    assert isinstance(fault, Fault)
    return fault


def test_the_cluster_goes_on(lab: Lab, client: httpx.Client) -> None:
    assert client.get(SERVICE.path()).status_code == 200
    begin(lab, "internal_error")
    lab.call(lab.cluster.create_service, "undisturbed")
    assert client.get(SERVICE.path()).status_code == 500
    lab.portal.call(lab.cluster.faults.clear)
    assert "undisturbed" in client.get(SERVICE.path()).text


def test_it_is_killed_and_started_again(lab: Lab, client: httpx.Client) -> None:
    assert client.get(POD.path()).status_code == 200
    lab.call(lab.cluster.faults.kill)
    with pytest.raises(httpx.TransportError):
        client.get(POD.path())
    lab.call(lab.cluster.api.list, POD)
    lab.call(lab.cluster.faults.start)
    assert client.get(POD.path()).status_code == 200


def test_a_connection_is_closed_before_tls(lab: Lab, client: httpx.Client) -> None:
    fault = begin(lab, "close_at_once", count=1)
    with pytest.raises(httpx.ConnectError, match=r"EOF|reset"):
        client.get(POD.path())
    assert fault.met == 1
    assert client.get(POD.path()).status_code == 200


def test_a_connection_is_held_before_tls(lab: Lab, client: httpx.Client) -> None:
    fault = begin(lab, "stop_reading")
    with pytest.raises(httpx.ConnectTimeout):
        client.get(POD.path(), timeout=0.1)
    assert fault.met == 1
    lab.portal.call(fault.clear)
    assert client.get(POD.path()).status_code == 200
