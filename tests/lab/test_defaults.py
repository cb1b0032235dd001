"""What a Service gets that does not say, and what is refused because no controller could take it."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from benchmarks.lab.defaults import with_defaults
from benchmarks.lab.kinds import DEPLOYMENT, POD, SERVICE, Kind, Object
from benchmarks.lab.network import SERVICE_CIDR
from benchmarks.lab.store_errors import InvalidError


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "echo"}, "spec": {"ports": [{"port": 80}], **spec}}


def completed(obj: Object, *existing: Object, previous: Object | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = with_defaults(SERVICE, obj, existing, previous)["spec"]
    return spec


def test_each_service_gets_an_address_of_its_own_and_keeps_it() -> None:
    first = with_defaults(SERVICE, service(), ())
    second = completed(service(), first)

    addresses = [first["spec"]["clusterIP"], second["clusterIP"]]
    assert len(set(addresses)) == 2
    assert all(IPv4Address(address) in SERVICE_CIDR for address in addresses)
    assert second["clusterIPs"] == [second["clusterIP"]]
    assert second["ports"] == [{"protocol": "TCP", "port": 80}]
    assert completed(service(), first, previous=first) == first["spec"]


@pytest.mark.parametrize("address", ["None", "10.96.0.77"])
def test_an_address_that_is_given_stays(address: str) -> None:
    assert completed(service(clusterIP=address))["clusterIP"] == address


def test_a_name_elsewhere_has_no_address() -> None:
    elsewhere = service(type="ExternalName", externalName="example.org")
    assert with_defaults(SERVICE, elsewhere, ()) == elsewhere


def test_node_ports_are_free_ones_and_stay() -> None:
    taken = with_defaults(SERVICE, service(type="NodePort"), ())
    ports = [{"port": 80}, {"port": 81, "nodePort": 31000}, {"port": 82}]
    given = with_defaults(SERVICE, service(type="NodePort", ports=ports), [taken])

    numbers = [port["nodePort"] for port in (*taken["spec"]["ports"], *given["spec"]["ports"])]
    assert len(set(numbers)) == 4
    assert numbers[2] == 31000
    assert all(30000 <= number <= 32767 for number in numbers)

    again = completed(service(type="NodePort", ports=ports), taken, given, previous=given)
    assert again == given["spec"]


CONTAINERS = {"containers": [{"name": "echo"}]}
TEMPLATE = {"metadata": {"labels": {"app": "echo"}}, "spec": CONTAINERS}
SELECTOR = {"matchLabels": {"app": "echo"}}


@pytest.mark.parametrize(
    ("kind", "spec", "complaint"),
    [
        (SERVICE, None, "spec: Required"),
        (SERVICE, {"selector": {"app": 1}}, "spec.selector: "),
        (SERVICE, {"ports": [{"name": "http"}]}, r"spec.ports\[0\].port: "),
        (SERVICE, {"ports": [{"port": 80, "targetPort": 0}]}, r"spec.ports\[0\].targetPort: "),
        (POD, {"containers": [{"args": ["--latency-ms", 5]}]}, r"spec.containers\[0\].args: "),
        (POD, {"containers": [{"ports": [{"name": "http"}]}]}, r"spec.containers\[0\].ports\[0\].containerPort: "),
        (POD, ["x"], "spec: Invalid value: must be an object"),
        (POD, {"nodeSelector": {"disk": 1}}, "spec.nodeSelector: "),
        (POD, {"restartPolicy": "Sometimes"}, 'spec.restartPolicy: Unsupported value: "Sometimes"'),
        (POD, {"terminationGracePeriodSeconds": -1}, "spec.terminationGracePeriodSeconds: "),
        (POD, {"containers": ["x"]}, r"spec.containers\[0\]: "),
        (POD, {"containers": [{"command": "sh"}]}, r"spec.containers\[0\].command: "),
        (POD, {"containers": [{"image": 1}]}, r"spec.containers\[0\].image: "),
        (POD, {"containers": [{"env": [{"value": "1"}]}]}, r"spec.containers\[0\].env\[0\].name: Required"),
        (POD, {"containers": [{"env": [{"name": "A", "value": 1}]}]}, r"spec.containers\[0\].env\[0\].value: "),
        (POD, {"containers": [{"env": [{"name": "A", "valueFrom": "x"}]}]}, r"spec.containers\[0\].env\[0\].valueFrom"),
        (
            POD,
            {"containers": [{"readinessProbe": {"httpGet": {}}}]},
            r"spec.containers\[0\].readinessProbe.httpGet.port",
        ),
        (
            POD,
            {"containers": [{"lifecycle": {"preStop": {"sleep": {"seconds": "3"}}}}]},
            r"spec.containers\[0\].lifecycle.preStop.sleep.seconds: ",
        ),
        (
            DEPLOYMENT,
            {"selector": SELECTOR, "template": {**TEMPLATE, "spec": {**CONTAINERS, "restartPolicy": "Never"}}},
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (DEPLOYMENT, {"selector": SELECTOR}, "spec.template.metadata.labels: "),
        (DEPLOYMENT, {"template": TEMPLATE}, "spec.selector: "),
        (DEPLOYMENT, {"selector": SELECTOR, "template": TEMPLATE, "replicas": -1}, "spec.replicas: "),
        (
            DEPLOYMENT,
            {"selector": SELECTOR, "template": {**TEMPLATE, "spec": {}}},
            "spec.template.spec.containers: Required",
        ),
        (
            DEPLOYMENT,
            {"selector": SELECTOR, "template": TEMPLATE, "strategy": {"rollingUpdate": {"maxSurge": "a lot"}}},
            "spec.strategy.rollingUpdate.maxSurge: ",
        ),
    ],
)
def test_what_no_controller_could_take_is_refused(kind: Kind, spec: object, complaint: str) -> None:
    with pytest.raises(InvalidError, match=f'{kind.name} "echo" is invalid: {complaint}'):
        with_defaults(kind, {"metadata": {"name": "echo"}, "spec": spec}, ())


def test_what_is_complete_is_taken() -> None:
    whole = {"metadata": {"name": "echo"}, "spec": {"selector": SELECTOR, "template": TEMPLATE}}
    assert with_defaults(DEPLOYMENT, whole, ()) == whole
