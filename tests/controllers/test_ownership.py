"""Garbage collection, namespaces, scheduling, events and nodes over a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from k9lite.api.catalog import DEPLOYMENTS, EVENTS, NAMESPACES, NODES, PODS, REPLICASETS, SERVICES
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, condition_of, dig, is_deleting, name_of
from k9lite.clock import rfc3339
from k9lite.controllers.event_trimming import EventTrimmer
from k9lite.controllers.node_lifecycle import GRACE, NodeLifecycle
from k9lite.controllers.scheduler import verdict
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store
from tests.controllers.plane import NODE, Plane, deployment
from tests.controllers.plane import plane as running_plane
from tests.support.clock import FakeClock
from tests.support.wait import eventually


def pod(name: str, **metadata: Any) -> Obj:
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": [{"name": "c", "image": "app"}]}}


async def running(plane: Plane, replicas: int = 3) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=replicas))
    await plane.rolled_out("web")


async def test_a_deleted_deployment_takes_its_sets_and_pods_with_it(plane: Plane) -> None:
    await running(plane)
    await plane.registry.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Background"))
    assert not plane.has(DEPLOYMENTS, "web")
    await eventually(lambda: not plane.sets() and not plane.pods())


async def test_foreground_keeps_the_owner_until_the_last_pod_is_gone(plane: Plane) -> None:
    await running(plane)
    plane.kubelet.keeps = True
    await plane.registry.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Foreground"))
    await eventually(lambda: all(is_deleting(each) for each in plane.pods()))
    await eventually(lambda: plane.context.idle)
    assert is_deleting(plane.get(DEPLOYMENTS, "web"))
    assert is_deleting(plane.sets()[0])
    plane.kubelet.keeps = False
    plane.kubelet.look_again()
    await eventually(lambda: not plane.has(DEPLOYMENTS, "web") and not plane.sets() and not plane.pods())


async def test_orphaned_pods_stay_and_can_be_adopted(plane: Plane) -> None:
    await running(plane)
    await plane.registry.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Orphan"))
    await eventually(lambda: not plane.has(DEPLOYMENTS, "web"))
    assert "ownerReferences" not in plane.sets()[0]["metadata"]
    assert len(plane.pods()) == 3
    before = {name_of(each) for each in plane.pods()}
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=3))
    await plane.rolled_out("web")
    assert {name_of(each) for each in plane.pods()} == before


async def test_an_owner_of_the_same_name_and_another_uid_is_a_stranger(plane: Plane) -> None:
    await running(plane, 1)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "another"}
    await plane.registry.create(PODS, "default", pod("lost", ownerReferences=[reference]))
    await eventually(lambda: not plane.has(PODS, "lost"))
    unknown = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "unknown"}
    await plane.registry.create(PODS, "default", pod("kept", ownerReferences=[unknown]))
    await eventually(lambda: plane.get(PODS, "kept")["spec"].get("nodeName"))
    await eventually(lambda: plane.context.idle)
    assert plane.has(PODS, "kept")


async def test_what_lost_its_owner_while_nothing_ran_is_collected(tmp_path: Path) -> None:
    async with running_plane(tmp_path) as plane:
        await running(plane, 2)
    async with running_plane(tmp_path, node=False, start=False) as plane:
        await plane.registry.delete(DEPLOYMENTS, "default", "web")
        await plane.manager.start()
        await eventually(lambda: not plane.sets() and not plane.pods())


async def test_a_namespace_is_emptied_then_goes(plane: Plane) -> None:
    await plane.registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})
    await plane.registry.create(DEPLOYMENTS, "team", deployment(replicas=3))
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    await plane.registry.create(SERVICES, "team", service)
    await eventually(lambda: len(plane.objects(PODS, "team")) == 3 and plane.slices("web", "team"))
    await plane.registry.delete(NAMESPACES, "", "team")
    await eventually(lambda: not plane.has(NAMESPACES, "team", ""))
    assert not [each for informer in plane.context.informers.all() for each in plane.objects(informer.resource, "team")]


async def test_pods_wait_for_a_node_that_takes_them(tmp_path: Path) -> None:
    async with running_plane(tmp_path, node=False) as plane:
        await plane.registry.create(PODS, "default", pod("p"))
        await eventually(lambda: "FailedScheduling" in plane.reasons("p"))
        condition = condition_of(plane.get(PODS, "p"), "PodScheduled") or {}
        assert (condition["reason"], condition["message"]) == ("Unschedulable", "no nodes available to schedule pods")
        await plane.add_node()
        await eventually(lambda: plane.get(PODS, "p")["spec"].get("nodeName") == NODE)
        await eventually(lambda: (condition_of(plane.get(PODS, "p"), "PodScheduled") or {}).get("status") == "True")
        assert "reason" not in (condition_of(plane.get(PODS, "p"), "PodScheduled") or {})


def node(name: str, ready: str = "True", **spec: Any) -> Obj:
    return {
        "metadata": {"name": name, "labels": {"disk": name}},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_the_scheduler_says_why_no_node_fits() -> None:
    nodes = [node("a", unschedulable=True), node("b", ready="False"), node("c"), node("d")]
    assert [name_of(each) for each in verdict(pod("p"), nodes)[0]] == ["c", "d"]
    picky = pod("p")
    picky["spec"]["nodeSelector"] = {"disk": "none"}
    assert verdict(picky, nodes) == (
        [],
        "0/4 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, "
        "1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector.",
    )


async def test_events_are_trimmed_by_when_they_were_last_seen(plane: Plane) -> None:
    now = plane.registry.clock.time()
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    for name, age in (("old", 7200), ("young", 10)):
        event = {"metadata": {"name": name}, "involvedObject": about, "lastTimestamp": rfc3339(now - age)}
        await plane.registry.create(EVENTS, "default", event)
    assert await EventTrimmer(plane.context, 3600).trim() == 1
    assert plane.has(EVENTS, "young")
    assert not plane.has(EVENTS, "old")


async def test_a_silent_node_is_marked_after_its_grace_period_only(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await Store.open(tmp_path, clock=clock, history_seconds=3600, history_bytes=1 << 30)
    registry = Registry(store, clock)
    await bootstrap(registry)
    plane = Plane(store, registry)
    await plane.add_node()
    plane.context.informers.start()
    nodes = NodeLifecycle(plane.context)

    async def ready() -> str:
        await nodes.look()
        return str(dig(condition_of(plane.get(NODES, NODE, ""), "Ready"), "status"))

    try:
        await clock.advance(10 * GRACE)
        assert await ready() == "True"  # seen now for the first time, however old
        await clock.advance(GRACE)
        assert await ready() == "True"
        await clock.advance(1)
        assert await ready() == "Unknown"
    finally:
        await plane.manager.stop()
        await store.close()


async def test_what_the_controllers_did_not_finish_is_done_after_a_restart(tmp_path: Path) -> None:
    async with running_plane(tmp_path, start=False) as plane:
        await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=5))
    async with running_plane(tmp_path, node=False) as plane:
        await plane.rolled_out("web")
        before = {name_of(each) for each in plane.pods()}
    async with running_plane(tmp_path, node=False) as plane:
        await plane.rolled_out("web")
        await eventually(lambda: plane.context.idle)
        assert {name_of(each) for each in plane.pods()} == before
        assert len(plane.objects(REPLICASETS)) == 1
