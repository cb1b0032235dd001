"""The official package's client, as its users have it: a list, then `Watch` over the same call."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kubernetes import client, watch
from kubernetes.client import Configuration

from benchmarks.watching.following import Published
from benchmarks.watching.slices import NAMESPACE


class _Calls:
    """The list and the watch of one Service."""

    def __init__(self, api: client.ApiClient, service: str) -> None:
        self._call: Any = client.DiscoveryV1Api(api).list_namespaced_endpoint_slice
        self._selector = f"kubernetes.io/service-name={service}"

    def listed(self, **options: bool) -> Any:
        return self._call(NAMESPACE, label_selector=self._selector, **options)

    def events(self, version: str, **options: bool) -> Any:
        return watch.Watch().stream(
            self._call,
            NAMESPACE,
            label_selector=self._selector,
            resource_version=version,
            allow_watch_bookmarks=True,
            **options,
        )


def follow(configuration: Configuration, service: str, published: Published) -> None:
    """Keep the slices by name, and compute the list of ready addresses after each event."""
    _follow(client.ApiClient(configuration), service, published)


def _follow(api: client.ApiClient, service: str, published: Published) -> None:
    calls = _Calls(api, service)
    listed = calls.listed()
    slices = {item.metadata.name: item for item in listed.items}
    addresses = _ready(slices.values())
    if published(int(listed.metadata.resource_version), len(addresses)):
        return
    for event in calls.events(listed.metadata.resource_version):
        item = event["object"]
        if event["type"] == "BOOKMARK":
            continue
        if event["type"] == "DELETED":
            slices.pop(item.metadata.name, None)
        else:
            slices[item.metadata.name] = item
        addresses = _ready(slices.values())
        if published(int(item.metadata.resource_version), len(addresses)):
            return


def _ready(slices: Iterable[Any]) -> list[str]:
    return [
        endpoint.addresses[0]
        for each in slices
        for endpoint in each.endpoints or ()
        if endpoint.conditions is None or endpoint.conditions.ready is not False
    ]


def iterate(configuration: Configuration, service: str, published: Published) -> None:
    """Do nothing with the events."""
    calls = _Calls(client.ApiClient(configuration), service)
    version = calls.listed().metadata.resource_version
    published(int(version), None)
    for event in calls.events(version):
        if event["type"] != "BOOKMARK" and published(int(event["object"].metadata.resource_version), None):
            return


def follow_raw(configuration: Configuration, service: str, published: Published) -> None:
    """As `follow`, but ask for dicts in place of the package's objects, for those who know that it can be asked."""
    calls = _Calls(client.ApiClient(configuration), service)
    listed = json.loads(calls.listed(_preload_content=False).data)
    slices = {item["metadata"]["name"]: item for item in listed["items"]}
    addresses = _raw_ready(slices.values())
    if published(int(listed["metadata"]["resourceVersion"]), len(addresses)):
        return
    for event in calls.events(listed["metadata"]["resourceVersion"], deserialize=False):
        item = event["object"]
        if event["type"] == "BOOKMARK":
            continue
        if event["type"] == "DELETED":
            slices.pop(item["metadata"]["name"], None)
        else:
            slices[item["metadata"]["name"]] = item
        addresses = _raw_ready(slices.values())
        if published(int(item["metadata"]["resourceVersion"]), len(addresses)):
            return


def _raw_ready(slices: Iterable[Any]) -> list[str]:
    return [
        endpoint["addresses"][0]
        for each in slices
        for endpoint in each["endpoints"] or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    ]


@contextlib.contextmanager
def hold(configuration: Configuration, services: Sequence[str], published: Published) -> Iterator[None]:
    """Follow the Services for as long as the process lives, in a thread for each, since a watch blocks."""
    api = client.ApiClient(configuration)
    for service in services:
        threading.Thread(target=_follow, args=(api, service, published), daemon=True).start()
    yield
