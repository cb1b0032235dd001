"""Every selector selects what it means to, and every name that one object has of another is there."""

from __future__ import annotations

import pytest

from .built import ALL, OVERLAYS, Object, build, container, of_kind, pods, selected, selects

EVERYTHING = {"consumer", "echo", "xds"}

MEANT = {
    ("Deployment", "consumer"): {"consumer"},
    ("Deployment", "echo"): {"echo"},
    ("Deployment", "xds"): {"xds"},
    ("NetworkPolicy", "clients"): {"consumer"},
    ("NetworkPolicy", "default-deny"): EVERYTHING,
    ("NetworkPolicy", "dns-and-api-server"): {"consumer", "xds"},
    ("NetworkPolicy", "echo"): {"echo"},
    ("NetworkPolicy", "echo-node-port"): {"echo"},
    ("NetworkPolicy", "xds"): {"xds"},
    ("PodDisruptionBudget", "echo"): {"echo"},
    ("PodDisruptionBudget", "xds"): {"xds"},
    ("Service", "echo"): {"echo"},
    ("Service", "echo-headless"): {"echo"},
    ("Service", "echo-node-port"): {"echo"},
    ("Service", "xds"): {"xds"},
}


def _selector(each: Object) -> Object | None:
    spec = each.get("spec", {})
    if each["kind"] == "Service":
        return {"matchLabels": spec["selector"]} if "selector" in spec else None
    found: Object | None = spec.get("podSelector", spec.get("selector"))
    return found


def test_every_selector_selects_what_it_means_to() -> None:
    objects = build(ALL)
    found = {
        (each["kind"], each["metadata"]["name"]): selected(objects, selector)
        for each in objects
        if (selector := _selector(each)) is not None
    }
    assert found == MEANT


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_is_spread_among_its_own_kind(overlay: str) -> None:
    objects = build(overlay)
    for name, pod in pods(objects).items():
        for spread in pod["spec"].get("topologySpreadConstraints", ()):
            assert selected(objects, spread["labelSelector"]) == {name}
    assert "topologySpreadConstraints" in pods(objects)["echo"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_lead_to_ports_that_their_pods_have(overlay: str) -> None:
    objects = build(overlay)
    for service in of_kind(objects, "Service").values():
        if service["spec"].get("type") == "ExternalName":
            continue
        for name in selected(objects, {"matchLabels": service["spec"]["selector"]}):
            ports = {port["name"]: port["containerPort"] for port in container(pods(objects)[name])["ports"]}
            for port in service["spec"]["ports"]:
                assert port["targetPort"] == port["name"]
                assert port["name"] in ports
                assert port["appProtocol"] == ("http" if port["name"] == "http" else "kubernetes.io/h2c")


def test_the_ports_of_service_and_pods_differ_but_where_it_is_headless() -> None:
    services = of_kind(build("base"), "Service")
    ports = {name: {port["name"]: port["port"] for port in each["spec"]["ports"]} for name, each in services.items()}
    assert ports["echo"] == {"http": 80, "grpc": 9080}
    assert ports["echo-headless"] == {"http": 8081, "grpc": 8082}
    assert services["echo-headless"]["spec"]["clusterIP"] == "None"


def test_what_is_scaled_bound_and_run_is_there() -> None:
    objects = build(ALL)
    accounts, roles = of_kind(objects, "ServiceAccount"), of_kind(objects, "Role")
    assert {pod["spec"]["serviceAccountName"] for pod in pods(objects).values()} == accounts.keys()
    for binding in of_kind(objects, "RoleBinding").values():
        assert binding["roleRef"]["name"] in roles
        for subject in binding["subjects"]:
            assert subject["name"] in accounts
            assert subject["namespace"] == binding["metadata"]["namespace"]
    for scaler in of_kind(objects, "HorizontalPodAutoscaler").values():
        reference = scaler["spec"]["scaleTargetRef"]
        scaled = of_kind(objects, reference["kind"])[reference["name"]]
        assert "replicas" not in scaled["spec"], "each apply would undo what the autoscaler has done"
    (external,) = (each for each in of_kind(objects, "Service").values() if "externalName" in each["spec"])
    name, namespace, _ = external["spec"]["externalName"].split(".", 2)
    assert of_kind(objects, "Service")[name]["metadata"]["namespace"] == namespace


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_selectors_are_read_as_kubernetes_reads_them(selector: Object, chosen: bool) -> None:
    assert selects(selector, {"a": "1"}) is chosen
