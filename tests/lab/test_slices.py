"""What the EndpointSlice controller writes: compared with a real one's, and through the API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.kinds import ENDPOINT_SLICE, NODE, POD, SERVICE, Object
from benchmarks.lab.slice_controller import run_slice_controller
from benchmarks.lab.slices import MAX_ENDPOINTS, Plan, plan_slices
from benchmarks.lab.store import Store
from benchmarks.lab.triggers import TriggerTimes

from .recordings import watched
from .served import TOKEN, serving

ZONES = {"node-a": "zone-a", "node-b": "zone-b", "node-c": ""}
PORTS = [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "grpc", "port": 9080, "targetPort": 50051}]


Pods = dict[str, dict[str, Any]]


def service(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "echo", "namespace": "default", "uid": "service", "labels": {"app": "echo"}},
        "spec": {"selector": {"app": "echo"}, "ports": PORTS, **spec},
    }


def pod(number: int, *, web: int = 8080, node: str = "node-a", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"echo-{number}",
            "namespace": "default",
            "uid": f"pod-{number}",
            "labels": labels or {"app": "echo"},
        },
        "spec": {"nodeName": node, "containers": [{"ports": [{"name": "web", "containerPort": web}]}]},
        "status": {
            "phase": "Running",
            "podIP": f"10.64.0.{number + 1}",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def set_ready(one: dict[str, Any], status: str) -> None:
    one["status"]["conditions"] = [{"type": "Ready", "status": status}]


def carry_out(plan: Plan, store: Store) -> None:
    for new in plan.create:
        store.create(ENDPOINT_SLICE, new["metadata"]["namespace"], new)
    for new in plan.update:
        store.update(ENDPOINT_SLICE, new["metadata"]["namespace"], new)
    for old in plan.delete:
        store.delete(ENDPOINT_SLICE, old["metadata"]["namespace"], old["metadata"]["name"])


def replan(store: Store, pods: Iterable[Object], its_service: Object | None = None) -> tuple[Object, ...]:
    """Bring the slices in the store up to date, check that nothing is left to do, and return them."""
    its_service = its_service or service()
    carry_out(plan_slices(its_service, pods, store.list(ENDPOINT_SLICE), ZONES), store)
    slices = store.list(ENDPOINT_SLICE)
    assert plan_slices(its_service, pods, slices, ZONES) == Plan((), (), ())
    return slices


def pods_in(one: Object) -> list[str]:
    return [endpoint["targetRef"]["name"] for endpoint in one["endpoints"] or ()]


def sizes(slices: Iterable[Object]) -> list[int]:
    return sorted(len(one["endpoints"] or ()) for one in slices)


# Recordings


def comparable(one: Mapping[str, Any]) -> dict[str, Any]:
    """Without what differs between any two clusters, and without managedFields, which the lab leaves out."""
    metadata = dict(one["metadata"])
    for field in ("name", "uid", "resourceVersion", "creationTimestamp", "managedFields", "annotations"):
        metadata.pop(field, None)
    return {**one, "metadata": metadata}


def from_recording(slices: Iterable[Object], its_service: dict[str, Any]) -> Pods:
    """The pods by name that the recorded slices tell of, ready; and the Service gets the recorded identity."""
    pods: Pods = {}
    for one in slices:
        its_service["metadata"]["namespace"] = one["metadata"]["namespace"]
        its_service["metadata"]["uid"] = one["metadata"]["ownerReferences"][0]["uid"]
        for endpoint in one["endpoints"] or ():
            target = endpoint["targetRef"]
            recorded = pod(0, node=endpoint["nodeName"], **its_service["spec"]["selector"])
            recorded["metadata"] |= {field: target[field] for field in ("namespace", "name", "uid")}
            recorded["status"]["podIP"] = endpoint["addresses"][0]
            pods.setdefault(target["name"], recorded)
    return pods


def start(name: str) -> Callable[[Pods, Pods], None]:
    return lambda pods, recorded: pods.update({name: recorded[name]})


def ready(name: str, status: str) -> Callable[[Pods, Pods], None]:
    return lambda pods, _recorded: set_ready(pods[name], status)


def terminate(name: str) -> Callable[[Pods, Pods], None]:
    return lambda pods, _recorded: pods[name]["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z")


def gone(name: str) -> Callable[[Pods, Pods], None]:
    return lambda pods, _recorded: pods.__delitem__(name)


def test_a_service_from_creation_to_deletion_as_recorded() -> None:
    changes = [
        start("echo-0"),
        start("echo-1"),
        start("echo-2"),
        ready("echo-1", "False"),
        ready("echo-1", "True"),
        terminate("echo-0"),
        ready("echo-0", "False"),
        gone("echo-0"),
        terminate("echo-1"),
        terminate("echo-2"),
        gone("echo-1"),
        gone("echo-2"),
        start("echo-3"),
    ]
    *states, deleted = watched("lifecycle")
    pods: Pods = {}
    echo, store = service(), Store()
    recorded = from_recording((event["object"] for event in states), echo)

    names = set()
    for change, event in zip([lambda *_: None, *changes], states, strict=True):
        change(pods, recorded)
        (written,) = replan(store, deepcopy(list(pods.values())), echo)
        assert comparable(written) == comparable(event["object"])
        names.add(written["metadata"]["name"])

    assert len(names) == 1
    last = store.delete(ENDPOINT_SLICE, "rec-lifecycle", names.pop())
    assert comparable(last) == comparable(deleted["object"])


def test_publish_not_ready_addresses_as_recorded() -> None:
    web = service(
        selector={"app": "web"}, ports=[{"name": "http", "port": 8080}], clusterIP="None", publishNotReadyAddresses=True
    )
    web["metadata"] |= {"name": "web", "labels": {"app": "web"}}
    states = watched("not-ready-published")
    pods: Pods = {}
    store = Store()
    recorded = from_recording((event["object"] for event in states), web)
    set_ready(recorded["web-1"], "False")

    (empty,) = replan(store, [], web)
    assert (empty["endpoints"], empty["ports"]) == (None, None)

    for change, event in zip([start("web-0"), start("web-1"), terminate("web-0")], states, strict=True):
        change(pods, recorded)
        (written,) = replan(store, deepcopy(list(pods.values())), web)
        assert comparable(written) == comparable(event["object"])


# Planning


def test_a_slice_holds_a_hundred() -> None:
    assert MAX_ENDPOINTS == 100
    store = Store()

    assert sizes(replan(store, [pod(number) for number in range(205)])) == [5, 100, 100]


def test_slices_are_not_packed_anew_when_pods_go() -> None:
    store = Store()
    before = replan(store, [pod(number) for number in range(205)])
    leaving = {name for one in before for name in pods_in(one)[3:60]}

    after = replan(store, [one for one in map(pod, range(205)) if one["metadata"]["name"] not in leaving])

    assert sizes(after) == [3, 43, 43]


def test_new_pods_go_to_slices_that_change_anyway_then_to_the_fullest() -> None:
    store = Store()
    pods = [pod(number) for number in range(205)]
    before = {one["metadata"]["name"]: pods_in(one) for one in replan(store, pods)}
    full = next(names for names in before.values() if len(names) == 100)

    # One of a full slice goes and two come: one takes its place, the other goes where there is room.
    pods = [one for one in pods if one["metadata"]["name"] != full[0]] + [pod(300), pod(301)]
    after = replan(store, pods)

    assert sizes(after) == [6, 100, 100]
    changed = [one for one in after if pods_in(one) != before[one["metadata"]["name"]]]
    assert sorted(pods_in(one)[-1] for one in changed) == ["echo-300", "echo-301"]


def test_pods_whose_named_port_differs_have_their_own_slice() -> None:
    slices = replan(Store(), [pod(0), pod(1, web=9090), pod(2)])

    ports = {tuple(pods_in(one)): [port["port"] for port in one["ports"]] for one in slices}
    assert ports == {("echo-0", "echo-2"): [8080, 50051], ("echo-1",): [9090, 50051]}


def test_the_application_protocol_is_kept() -> None:
    store = Store()
    replan(store, [pod(0)], service(ports=[{"name": "grpc", "port": 80}]))

    (one,) = replan(store, [pod(0)], service(ports=[{"name": "grpc", "port": 80, "appProtocol": "kubernetes.io/h2c"}]))

    assert one["ports"] == [{"name": "grpc", "protocol": "TCP", "port": 80, "appProtocol": "kubernetes.io/h2c"}]


def test_endpoints_that_are_not_ready_have_no_hints() -> None:
    unready = pod(1, node="node-b")
    set_ready(unready, "False")

    (one,) = replan(Store(), [pod(0), unready], service(trafficDistribution="PreferClose"))

    assert [endpoint.get("hints") for endpoint in one["endpoints"]] == [{"forZones": [{"name": "zone-a"}]}, None]


def test_hints_do_not_count_as_a_change_when_slices_are_filled() -> None:
    near = service(trafficDistribution="PreferSameZone")
    store = Store()
    pods = [pod(number) for number in range(150)]
    before = {one["metadata"]["name"]: len(one["endpoints"]) for one in replan(store, pods, near)}

    after = replan(store, [*pods, *map(pod, range(200, 260))], near)

    # The slice of 50 has no room for all 60, and none of the two changes anyway.
    assert sizes(after) == [50, 60, 100]
    assert {
        one["metadata"]["name"]: len(one["endpoints"]) for one in after if one["metadata"]["name"] in before
    } == before


def test_a_slice_that_is_written_tells_when_the_change_began() -> None:
    field = "endpoints.kubernetes.io/last-change-trigger-time"
    store = Store()
    carry_out(plan_slices(service(), [pod(0)], (), ZONES, "2026-11-23T07:18:31Z"), store)
    (first,) = store.list(ENDPOINT_SLICE)
    assert first["metadata"]["annotations"] == {field: "2026-11-23T07:18:31Z"}

    # Nothing but another moment is no reason to write; and a deletion has none.
    assert plan_slices(service(), [pod(0)], [first], ZONES, "2026-11-23T07:18:32Z") == Plan((), (), ())
    carry_out(plan_slices(service(), [], [first], ZONES, None), store)
    (second,) = store.list(ENDPOINT_SLICE)
    assert "annotations" not in second["metadata"]


def test_each_change_of_a_pod_is_told_once_and_the_earliest_first() -> None:
    def turned(number: int, moment: str) -> dict[str, Any]:
        one = pod(number)
        one["status"]["conditions"][0]["lastTransitionTime"] = moment
        return one

    echo, triggers = service(), TriggerTimes()
    echo["metadata"]["creationTimestamp"] = "2026-11-23T07:18:00Z"
    assert triggers.next(echo, []) == "2026-11-23T07:18:00Z"
    pods = [turned(0, "2026-11-23T07:18:07Z"), turned(1, "2026-11-23T07:18:05Z")]
    assert triggers.next(echo, pods) == "2026-11-23T07:18:05Z"
    assert triggers.next(echo, pods) is None
    pods[1] = turned(1, "2026-11-23T07:18:09Z")
    assert triggers.next(echo, pods) == "2026-11-23T07:18:09Z"
    assert triggers.next(echo, pods[:1]) is None


def test_a_port_that_the_pod_does_not_name_is_left_out() -> None:
    ports = [
        {"port": 80},
        {"name": "x", "port": 81, "targetPort": "nothing"},
        {"name": "u", "port": 82, "protocol": "UDP"},
    ]

    (one,) = replan(Store(), [pod(0)], service(ports=ports))

    assert one["ports"] == [
        {"name": "", "protocol": "TCP", "port": 80},
        {"name": "u", "protocol": "UDP", "port": 82},
    ]


def test_a_change_of_ports_reuses_the_slice() -> None:
    store = Store()
    (before,) = replan(store, [pod(0)])

    (after,) = replan(store, [pod(0)], service(ports=[{"name": "http", "port": 80}]))

    assert after["metadata"]["name"] == before["metadata"]["name"]
    assert [port["port"] for port in after["ports"]] == [80]


def test_labels_of_the_service_are_kept_up_to_date() -> None:
    store = Store()
    replan(store, [pod(0)])
    relabelled = service()
    relabelled["metadata"]["labels"] = {"team": "a"}

    (one,) = replan(store, [pod(0)], relabelled)

    assert one["metadata"]["labels"] == {
        "team": "a",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "echo",
    }


def test_only_pods_of_the_service_that_can_serve_are_in() -> None:
    elsewhere, finished, starting, homeless = pod(1), pod(2), pod(3), pod(5, node="node-c")
    elsewhere["metadata"]["namespace"] = "other"
    finished["status"]["phase"] = "Succeeded"
    del starting["status"]["podIP"]

    (one,) = replan(Store(), [pod(0), elsewhere, finished, starting, pod(4, app="web"), homeless])

    assert pods_in(one) == ["echo-0", "echo-5"]
    assert [endpoint.get("zone") for endpoint in one["endpoints"]] == ["zone-a", None]


def test_a_pod_on_no_node_is_left_out_unless_unready_addresses_are_published() -> None:
    lost, unscheduled = pod(1, node="node-x"), pod(2)
    del unscheduled["spec"]["nodeName"]
    pods = [pod(0), lost, unscheduled]

    (careful,) = replan(Store(), pods)
    (published,) = replan(Store(), pods, service(publishNotReadyAddresses=True))

    assert pods_in(careful) == ["echo-0"]
    assert pods_in(published) == ["echo-0", "echo-1", "echo-2"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sets(st.integers(0, 249)) | st.builds(set, st.builds(range, st.integers(0, 250))), max_size=4))
def test_whatever_comes_and_goes_every_pod_is_in_one_slice(courses: list[set[int]]) -> None:
    store = Store()
    for numbers in courses:
        slices = replan(store, [pod(number) for number in sorted(numbers)])

        assert sorted(name for one in slices for name in pods_in(one)) == sorted(f"echo-{n}" for n in numbers)
        assert max(sizes(slices)) <= MAX_ENDPOINTS
        assert len(slices) == 1 or min(sizes(slices)) > 0


# Through the API


@asynccontextmanager
async def controlled(store: Store) -> AsyncIterator[ApiClient]:
    async with serving(store) as server, ApiClient(server.url, TOKEN) as client, asyncio.TaskGroup() as group:
        controller = group.create_task(run_slice_controller(client))
        yield client
        controller.cancel()


async def test_a_new_service_has_an_empty_slice_at_once_and_loses_it_with_its_end() -> None:
    store = Store()
    async with controlled(store) as client:
        changes = aiter(store.watch(ENDPOINT_SLICE))
        await client.create(SERVICE, "default", service())
        added = await anext(changes)
        await client.delete(SERVICE, "default", "echo")
        deleted = await anext(changes)

    assert (added.type, deleted.type) == ("ADDED", "DELETED")
    assert (added.object["endpoints"], added.object["ports"]) == (None, None)
    assert added.object["metadata"]["name"].startswith("echo-")


async def test_pods_that_join_at_once_are_written_together() -> None:
    store = Store()
    store.create(NODE, "", {"metadata": {"name": "node-a"}})
    async with controlled(store) as client:
        await client.create(SERVICE, "default", service())
        for number in range(10):
            await client.create(POD, "default", pod(number, app="other"))
        changes = store.watch(ENDPOINT_SLICE)
        for number in range(10):
            store.patch(POD, "default", f"echo-{number}", {"metadata": {"labels": {"app": "echo"}}})

        writes = 0
        async for change in changes:
            writes += 1
            if len(change.object["endpoints"] or ()) == 10:
                break

    assert writes < 10
    assert set(pods_in(change.object)) == {f"echo-{number}" for number in range(10)}


@pytest.mark.parametrize(
    "damage",
    [
        {"endpoints": None},
        {"endpoints": [{"addresses": ["10.9.9.9"], "conditions": {}}]},
        {"ports": [{"port": 1}]},
        {"metadata": {"ownerReferences": None}},
        {"metadata": {"labels": {"app": None}}},
    ],
)
async def test_what_somebody_else_writes_to_a_slice_is_mended(damage: dict[str, Any]) -> None:
    store = Store()
    store.create(NODE, "", {"metadata": {"name": "node-a", "labels": {"topology.kubernetes.io/zone": "zone-a"}}})
    store.create(SERVICE, "default", service())
    store.create(POD, "default", pod(0))
    async with controlled(store) as client:
        changes = aiter(store.watch(ENDPOINT_SLICE, version=1))
        whole = (await anext(changes)).object
        await client.patch(ENDPOINT_SLICE, "default", whole["metadata"]["name"], damage)
        damaged, mended = (await anext(changes)).object, (await anext(changes)).object

    assert comparable(damaged) != comparable(whole)
    assert {**comparable(mended), "metadata": {**comparable(mended)["metadata"], "generation": 1}} == comparable(whole)
    assert mended["endpoints"][0]["zone"] == "zone-a"


async def test_a_zone_that_a_node_gets_later_is_told() -> None:
    store = Store()
    store.create(SERVICE, "default", service())
    store.create(POD, "default", pod(0))
    store.create(NODE, "", {"metadata": {"name": "node-a"}})
    async with controlled(store):
        changes = aiter(store.watch(ENDPOINT_SLICE, version=1))
        before = (await anext(changes)).object
        store.patch(NODE, "", "node-a", {"metadata": {"labels": {"topology.kubernetes.io/zone": "zone-a"}}})
        after = (await anext(changes)).object

    assert [one["endpoints"][0].get("zone") for one in (before, after)] == [None, "zone-a"]


async def test_slices_of_a_service_that_was_replaced_are_replaced() -> None:
    store = Store()
    store.create(SERVICE, "default", service())
    store.create(SERVICE, "default", {"metadata": {"name": "by-hand"}, "spec": {"ports": PORTS}})
    async with controlled(store):
        first = await anext(aiter(store.watch(ENDPOINT_SLICE, version=1)))

    # While no controller runs, another Service takes the name.
    store.delete(SERVICE, "default", "echo")
    store.create(SERVICE, "default", service())
    version = store.version
    async with controlled(store):
        changes = aiter(store.watch(ENDPOINT_SLICE, version=version))
        types = {(await anext(changes)).type, (await anext(changes)).type}

    assert types == {"ADDED", "DELETED"}
    (second,) = store.list(ENDPOINT_SLICE)
    assert second["metadata"]["name"] != first.object["metadata"]["name"]
    (owner,) = second["metadata"]["ownerReferences"]
    assert owner["uid"] == store.get(SERVICE, "default", "echo")["metadata"]["uid"]


async def test_a_controller_that_is_refused_says_so() -> None:
    async with serving(Store()) as server, ApiClient(server.url, "wrong") as client:
        with pytest.raises(ExceptionGroup) as refused:
            await run_slice_controller(client)

    assert refused.group_contains(ApiError, match="Unauthorized")
