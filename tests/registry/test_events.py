"""Events: counted, batched, bounded, never in the way."""

from __future__ import annotations

from collections import Counter

from k9lite.api.catalog import EVENTS, NAMESPACES, NODES, PODS
from k9lite.api.meta import DeleteOptions
from k9lite.registry.events import MAX_MESSAGE, MAX_WAITING, EventRecorder
from k9lite.registry.registry import Registry
from tests.support.objects import pod


def counts(registry: Registry) -> Counter[str]:
    return Counter({stored.obj["reason"]: stored.obj["count"] for stored in registry.store.list(EVENTS.key)})


async def test_repeated_events_are_counted(registry: Registry) -> None:
    about = (await registry.create(PODS, "default", pod())).obj
    recorder = EventRecorder(registry, "kubelet", "n")
    watch = registry.store.watch(EVENTS.key)
    for _ in range(3):
        recorder.event(about, "Warning", "BackOff", "Back-off restarting failed container")
    recorder.event(about, "Normal", "Started", "Started container c")
    async with watch:
        for _ in range(2):
            await anext(watch)
        recorder.event(about, "Warning", "BackOff", "Back-off restarting failed container")
        assert (await anext(watch)).verb == "MODIFIED"
    await recorder.close()
    assert counts(registry) == {"BackOff": 4, "Started": 1}
    event = registry.store.list(EVENTS.key)[0].obj
    assert event["involvedObject"]["uid"] == about["metadata"]["uid"]
    assert event["source"] == {"component": "kubelet", "host": "n"}


async def test_events_about_nodes_are_in_the_default_namespace(registry: Registry) -> None:
    node = (await registry.create(NODES, "", {"metadata": {"name": "n"}})).obj
    recorder = EventRecorder(registry, "node-controller")
    recorder.event(node, "Normal", "NodeReady", "x" * 5000)
    await recorder.close()
    (event,) = registry.store.list(EVENTS.key, "default")
    assert len(event.obj["message"]) == MAX_MESSAGE


async def test_an_event_that_cannot_be_written_hinders_no_other(registry: Registry) -> None:
    await registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})
    ending = (await registry.create(PODS, "team", pod())).obj
    about = (await registry.create(PODS, "default", pod())).obj
    await registry.delete(NAMESPACES, "", "team", DeleteOptions())
    recorder = EventRecorder(registry, "kubelet")
    recorder.event(ending, "Normal", "Lost", "in a namespace that takes no more")
    recorder.event({**about, "metadata": {**about["metadata"], "namespace": "no such"}}, "Normal", "Lost", "nowhere")
    recorder.event(about, "Normal", "Started", "Started container c")
    await recorder.close()
    assert counts(registry) == {"Started": 1}


async def test_a_flood_is_bounded(registry: Registry) -> None:
    about = (await registry.create(PODS, "default", pod())).obj
    recorder = EventRecorder(registry, "kubelet")
    for number in range(MAX_WAITING + 50):
        recorder.event(about, "Normal", "Flood", f"number {number}")
    await recorder.close()
    assert len(registry.store.list(EVENTS.key)) == MAX_WAITING
    recorder.event(about, "Normal", "Late", "after the end")
    assert len(registry.store.list(EVENTS.key)) == MAX_WAITING
