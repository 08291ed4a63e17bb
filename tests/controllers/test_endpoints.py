"""What Services' endpoints say of their pods."""

from __future__ import annotations

from typing import Any

import orjson

from k9lite.api.addresses import HOST_PORTS_ANNOTATION, backend_address, pod_address
from k9lite.api.catalog import DEPLOYMENTS, ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from k9lite.api.objects import Obj, annotations_of, is_deleting, name_of, uid_of
from k9lite.controllers.endpoints import MAX_ENDPOINTS, plan
from tests.controllers.plane import Plane, deployment, with_host_port
from tests.support.wait import eventually


def service(name: str = "web", **spec: Any) -> Obj:
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}], **spec},
    }


def ready(plane: Plane) -> list[Obj]:
    return [endpoint for endpoint in plane.endpoints("web") if endpoint["conditions"]["ready"]]


async def test_ready_pods_become_endpoints(plane: Plane) -> None:
    await plane.registry.create(SERVICES, "default", service())
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=3))
    await eventually(lambda: len(ready(plane)) == 3)
    (only,) = plane.slices("web")
    assert only["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert only["metadata"]["ownerReferences"][0]["kind"] == "Service"
    await eventually(lambda: len(plane.subsets("web")[0]["addresses"]) == 3)
    assert plane.subsets("web")[0]["ports"] == [{"port": 80, "protocol": "TCP"}]


async def test_pods_that_are_not_ready_are_kept_apart(plane: Plane) -> None:
    plane.kubelet.holds = lambda pod: True
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=2))
    await plane.registry.create(SERVICES, "default", service())
    await eventually(lambda: len(list(plane.endpoints("web"))) == 2)
    assert not ready(plane)
    await eventually(lambda: len(plane.subsets("web")[0].get("notReadyAddresses", [])) == 2)
    assert "addresses" not in plane.subsets("web")[0]


async def test_an_ending_pod_serves_on_but_takes_nothing_new(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=1))
    await plane.registry.create(SERVICES, "default", service())
    await eventually(lambda: len(ready(plane)) == 1)
    plane.kubelet.keeps = True
    victim = name_of(plane.pods()[0])
    await plane.registry.delete(PODS, "default", victim)

    def ending() -> list[Obj]:
        return [endpoint for endpoint in plane.endpoints("web") if endpoint["targetRef"]["name"] == victim]

    await eventually(lambda: ending() and ending()[0]["conditions"]["terminating"])
    assert is_deleting(plane.get(PODS, victim))
    assert ending()[0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    await eventually(lambda: len(ready(plane)) == 1)


async def test_host_ports_of_process_pods_are_passed_on(plane: Plane) -> None:
    await plane.registry.create(SERVICES, "default", service())
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=2))
    await eventually(lambda: len(ready(plane)) == 2)
    first, second = plane.pods()
    await plane.change(PODS, name_of(first), with_host_port(40001))
    await eventually(lambda: HOST_PORTS_ANNOTATION in annotations_of(plane.slices("web")[0]))
    (only,) = plane.slices("web")
    assert orjson.loads(annotations_of(only)[HOST_PORTS_ANNOTATION]) == {uid_of(first): {"80": 40001}}
    addresses = {each["targetRef"]["uid"]: backend_address(only, each, 80) for each in only["endpoints"]}
    assert addresses == {uid_of(first): ("127.0.0.1", 40001), uid_of(second): ("127.0.0.1", 80)}
    assert pod_address(plane.get(PODS, name_of(first)), 80) == ("127.0.0.1", 40001)
    assert pod_address(plane.get(PODS, name_of(first)), 81) == ("127.0.0.1", 81)


async def test_a_changed_selector_changes_the_endpoints(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=2))
    await plane.registry.create(SERVICES, "default", service(selector={"app": "nothing"}))
    await eventually(lambda: plane.slices("web"))
    assert not list(plane.endpoints("web"))
    await plane.change(SERVICES, "web", lambda obj: obj["spec"].update(selector={"app": "web"}))
    await eventually(lambda: len(ready(plane)) == 2)
    assert len(plane.slices("web")) == 1


async def test_endpoints_go_with_their_service_and_come_back_if_deleted(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=1))
    await plane.registry.create(SERVICES, "default", service())
    await eventually(lambda: len(ready(plane)) == 1)
    gone = uid_of(plane.slices("web")[0])
    await plane.registry.delete(ENDPOINTSLICES, "default", name_of(plane.slices("web")[0]))
    await eventually(lambda: ready(plane) and uid_of(plane.slices("web")[0]) != gone)
    await plane.registry.delete(SERVICES, "default", "web")
    await eventually(lambda: not plane.slices("web") and not plane.has(ENDPOINTS, "web"))


async def test_a_service_without_a_selector_is_left_alone(plane: Plane) -> None:
    await plane.registry.create(SERVICES, "default", service("manual", selector=None, ports=[{"port": 80}]))
    await plane.registry.create(SERVICES, "default", service())
    await eventually(lambda: plane.slices("web"))
    await eventually(lambda: plane.context.idle)
    assert not plane.slices("manual")
    assert not plane.has(ENDPOINTS, "manual")


def a_pod(uid: str) -> Obj:
    return {
        "metadata": {"name": uid, "namespace": "default", "uid": uid, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 80}]}]},
        "status": {"podIP": "10.0.0.1"},
    }


def test_slices_are_filled_and_endpoints_stay_where_they_are() -> None:
    owner = service()
    owner["metadata"]["namespace"] = "default"
    pods = {uid: a_pod(uid) for uid in (f"p{number}" for number in range(MAX_ENDPOINTS + 20))}
    wanted, surplus = plan(owner, pods, [])
    assert [len(content["endpoints"]) for _, content in wanted] == [MAX_ENDPOINTS, 20]
    assert not surplus
    existing = [
        {**content, "metadata": {**content["metadata"], "name": f"s{number}"}}
        for number, (_, content) in enumerate(wanted)
    ]
    del pods["p3"]
    pods["new"] = a_pod("new")
    wanted, surplus = plan(owner, pods, existing)
    assert not surplus
    first = [endpoint["targetRef"]["uid"] for endpoint in wanted[0][1]["endpoints"]]
    assert first == [*(f"p{number}" for number in range(MAX_ENDPOINTS) if number != 3), "new"]
    assert wanted[1][1]["endpoints"] == existing[1]["endpoints"]
    few = {uid: pods[uid] for uid in ("p0", "p1")}
    wanted, surplus = plan(owner, few, existing)
    assert [old["metadata"]["name"] for old, _ in wanted if old] == ["s0"]
    assert [each["metadata"]["name"] for each in surplus] == ["s1"]


def test_pods_that_name_the_port_differently_get_slices_of_their_own() -> None:
    owner = service()
    owner["metadata"]["namespace"] = "default"
    other = a_pod("other")
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = 8080
    wanted, _ = plan(owner, {"one": a_pod("one"), "other": other}, [])
    assert sorted(content["ports"][0]["port"] for _, content in wanted) == [80, 8080]
