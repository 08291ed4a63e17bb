"""From services and their slices to the proxy's table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from k9lite.api.catalog import ENDPOINTSLICES, EVENTS, SERVICES
from k9lite.api.objects import Obj
from k9lite.clock import SystemClock
from k9lite.controllers.proxier import Proxier, listeners_of
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.settings import Settings
from k9lite.store.store import Store
from tests.support.wait import eventually


class Told:
    """A proxy that only remembers what it was told."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self.on_listen_errors: Callable[[Mapping[str, str]], None] | None = None

    async def set_table(self, table: Mapping[str, Any]) -> None:
        self.table = dict(table)


@asynccontextmanager
async def proxier(directory: Path) -> AsyncIterator[tuple[Registry, Told, Proxier]]:
    clock, told = SystemClock(), Told()
    store = await Store.open(directory, clock=clock, history_seconds=3600, history_bytes=1 << 24)
    registry = Registry(
        store, clock, service_cidr="10.96.0.0/16", node_ports=range(30000, 30100), port_is_free=lambda _: True
    )
    await bootstrap(registry)
    made = Proxier(registry, told, settings=Settings(home=directory, node_port_addresses="127.0.0.1, ::1"))
    await made.start()
    try:
        yield registry, told, made
    finally:
        await made.stop()
        await store.close()


def service(**spec: Any) -> Obj:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": ports, **spec},
    }


def endpoint_slice(*endpoints: Obj, host_ports: Obj | None = None) -> Obj:
    annotations = {"k9lite.io/host-ports": orjson.dumps(host_ports).decode()} if host_ports else {}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
            "annotations": annotations,
        },
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def endpoint(address: str, pod: str, ready: bool = True) -> Obj:
    return {
        "addresses": [address],
        "conditions": {"ready": ready},
        "targetRef": {"kind": "Pod", "name": pod, "uid": "uid-" + pod},
    }


async def test_the_table_follows_services_and_ready_endpoints(tmp_path: Path) -> None:
    async with proxier(tmp_path) as (registry, told, _):
        await registry.create(SERVICES, "default", service())
        await eventually(lambda: told.table)
        assert told.table["default/web:http"] == {
            "nodePort": 30080,
            "addresses": ["127.0.0.1", "::1"],
            "affinity": 0,
            "endpoints": [],
        }
        slices = endpoint_slice(endpoint("10.0.0.2", "b"), endpoint("10.0.0.1", "a"), endpoint("10.0.0.3", "c", False))
        await registry.create(ENDPOINTSLICES, "default", slices)
        await eventually(lambda: told.table["default/web:http"]["endpoints"])
        assert told.table["default/web:http"]["endpoints"] == [
            ["10.0.0.1", 8080, "a", "uid-a"],
            ["10.0.0.2", 8080, "b", "uid-b"],
        ]
        await registry.delete(ENDPOINTSLICES, "default", "web-1")
        await eventually(lambda: not told.table["default/web:http"]["endpoints"])
        await registry.delete(SERVICES, "default", "web")
        await eventually(lambda: not told.table)


def test_pods_of_processes_are_reached_at_their_host_ports() -> None:
    slices = endpoint_slice(
        endpoint("127.0.0.1", "a"),
        endpoint("127.0.0.1", "b"),
        host_ports={"uid-a": {"8080": 40001}, "uid-b": {"8080": 40002}},
    )
    found = listeners_of(service(), [slices], ["0.0.0.0"])
    assert [one[1] for one in found["default/web:http"]["endpoints"]] == [40001, 40002]


def test_affinity_is_told_in_seconds() -> None:
    config = {"clientIP": {"timeoutSeconds": 600}}
    affine = service(sessionAffinity="ClientIP", sessionAffinityConfig=config)
    assert listeners_of(affine, [], [])["default/web:http"]["affinity"] == 600


def test_services_without_node_ports_have_no_listener() -> None:
    assert listeners_of(service(type="ClusterIP"), [], ["0.0.0.0"]) == {}
    assert listeners_of(service(ports=[{"port": 53, "nodePort": 30053, "protocol": "UDP"}]), [], ["0.0.0.0"]) == {}


async def test_a_port_that_cannot_be_opened_becomes_an_event_of_its_service(tmp_path: Path) -> None:
    async with proxier(tmp_path) as (registry, told, _):
        await registry.create(SERVICES, "default", service())
        await eventually(lambda: told.table)
        assert told.on_listen_errors is not None
        told.on_listen_errors({"default/web:http": "port 30080 is in use"})
        told.on_listen_errors({"default/web:http": "port 30080 is in use"})
        told.on_listen_errors({})
        events = await eventually(lambda: len(found := registry.store.list(EVENTS.key, "default")) == 2 and found)
        assert sorted((one.obj["type"], one.obj["reason"], one.obj.get("count", 1)) for one in events or []) == [
            ("Normal", "Listening", 1),
            ("Warning", "FailedToListen", 1),
        ]
        assert {one.obj["involvedObject"]["name"] for one in events or []} == {"web"}
