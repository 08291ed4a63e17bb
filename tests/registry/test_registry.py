"""The registry on a real store: upstream's words and rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from k9lite.api.catalog import DEPLOYMENTS, EVENTS, NAMESPACES, PODS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj
from k9lite.api.patch import MERGE
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry
from k9lite.registry.scale import patch_scale, put_scale, scale_of
from k9lite.store.store import Store
from tests.support.clock import FakeClock


@pytest_asyncio.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    clock = FakeClock()
    store = await Store.open(tmp_path, clock=clock, history_seconds=3600, history_bytes=1 << 30)
    made = Registry(store, clock, service_cidr="10.96.0.0/24", node_ports=range(30000, 30004))
    await bootstrap(made)
    yield made
    await store.close()


def deployment(name: str = "web", **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
            **spec,
        },
    }


def pod(name: str = "p", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}], **spec}}


def service(name: str = "web", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}}


async def test_defaults_are_upstreams(registry: Registry) -> None:
    made = (await registry.create(DEPLOYMENTS, "default", deployment())).obj
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "Always"
    assert made["metadata"]["generation"] == 1
    assert (await registry.create(PODS, "default", pod())).obj["status"] == {
        "phase": "Pending",
        "qosClass": "BestEffort",
    }


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (deployment(replicas=-1),
         'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'),
        (deployment("Bad_Name"), "a lowercase RFC 1123 subdomain must consist of lower case"),
        (deployment(selector={"matchLabels": {"app": "other"}}),
         'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'),
        (deployment(strategy={"type": "Sudden"}), 'Unsupported value: "Sudden": supported values: "Recreate", "RollingUpdate"'),
        ({"metadata": {"name": "x"}, "spec": {}}, "spec.selector: Required value"),
        ({"metadata": {}}, "metadata.name: Required value: name or generateName is required"),
    ],
)  # fmt: skip
async def test_invalid_deployments_are_explained(registry: Registry, obj: Obj, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        await registry.create(DEPLOYMENTS, "default", obj)
    assert caught.value.code == 422
    assert message in caught.value.message
    assert caught.value.causes


async def test_create_is_refused_where_it_must_be(registry: Registry) -> None:
    await registry.create(PODS, "default", pod())
    for obj, space, code, words in (
        (pod(), "default", 409, 'pods "p" already exists'),
        (pod("q"), "absent", 404, 'namespaces "absent" not found'),
        ({**pod("q"), "kind": "Service"}, "default", 400, "must be of type Pod"),
        ({**pod("q"), "apiVersion": "v2"}, "default", 400, "the API version in the data (v2) does not match"),
        (
            {"metadata": {"name": "q", "namespace": "kube-system"}},
            "default",
            400,
            "the namespace of the provided object",
        ),
        ({"metadata": {"name": "q", "resourceVersion": "1"}}, "default", 400, "resourceVersion should not be set"),
    ):
        with pytest.raises(ApiError) as caught:
            await registry.create(PODS, space, obj)
        assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message


async def test_generated_names_differ(registry: Registry) -> None:
    names = set()
    for _ in range(20):
        obj = pod()
        obj["metadata"] = {"generateName": "web-"}
        names.add((await registry.create(PODS, "default", obj)).obj["metadata"]["name"])
    assert len(names) == 20
    assert all(name.startswith("web-") and len(name) == 9 for name in names)


async def test_update_keeps_what_is_not_the_clients(registry: Registry) -> None:
    made = (await registry.create(DEPLOYMENTS, "default", deployment())).copy()
    changed = deployment(replicas=3)
    changed["status"] = {"replicas": 99}
    updated = (await registry.update(DEPLOYMENTS, "default", "web", changed)).obj
    assert updated["metadata"]["uid"] == made["metadata"]["uid"]
    assert updated["metadata"]["generation"] == 2
    assert updated["status"] == {}
    made["spec"]["replicas"] = 4
    with pytest.raises(ApiError, match="the object has been modified"):
        await registry.update(DEPLOYMENTS, "default", "web", made)
    other = deployment(selector={"matchLabels": {"a": "b"}})
    other["spec"]["template"]["metadata"]["labels"] = {"a": "b"}
    with pytest.raises(ApiError, match="field is immutable"):
        await registry.update(DEPLOYMENTS, "default", "web", other)


async def test_status_is_written_apart(registry: Registry) -> None:
    await registry.create(DEPLOYMENTS, "default", deployment())
    written = await registry.update(
        DEPLOYMENTS, "default", "web",
        {"metadata": {"labels": {"x": "y"}}, "spec": {"replicas": 9}, "status": {"replicas": 1}}, subresource="status",
    )  # fmt: skip
    assert written.obj["status"] == {"replicas": 1}
    assert written.obj["spec"]["replicas"] == 1
    assert "labels" not in written.obj["metadata"]


async def test_concurrent_changes_are_all_kept(registry: Registry) -> None:
    await registry.create(DEPLOYMENTS, "default", deployment())

    async def label(number: int) -> None:
        def change(obj: Obj) -> Obj:
            obj["metadata"].setdefault("labels", {})[f"n{number}"] = "x"
            return obj

        await registry.mutate(DEPLOYMENTS, "default", "web", change)

    await asyncio.gather(*map(label, range(10)))
    assert len(registry.get(DEPLOYMENTS, "default", "web").obj["metadata"]["labels"]) == 10


async def test_patch_and_scale(registry: Registry) -> None:
    await registry.create(DEPLOYMENTS, "default", deployment())
    patched = await registry.patch(DEPLOYMENTS, "default", "web", MERGE, {"spec": {"replicas": 2}})
    assert scale_of(patched.obj)["status"]["selector"] == "app=web"
    scale = await patch_scale(registry, DEPLOYMENTS, "default", "web", MERGE, {"spec": {"replicas": 5}}, dry_run=False)
    assert scale["spec"]["replicas"] == 5
    with pytest.raises(ApiError, match="must be greater than or equal to 0"):
        await put_scale(registry, DEPLOYMENTS, "default", "web", {"spec": {"replicas": -2}})
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}
    with pytest.raises(ApiError, match="the object has been modified"):
        await put_scale(registry, DEPLOYMENTS, "default", "web", stale)


async def test_pods_end_gracefully_and_others_at_once(registry: Registry) -> None:
    await registry.create(PODS, "default", pod(nodeName="n"))
    first = await registry.delete(PODS, "default", "p")
    assert not first.removed
    assert first.stored.obj["metadata"]["deletionGracePeriodSeconds"] == 30
    shorter = await registry.delete(PODS, "default", "p", DeleteOptions(grace_seconds=5))
    assert shorter.stored.obj["metadata"]["deletionGracePeriodSeconds"] == 5
    longer = await registry.delete(PODS, "default", "p", DeleteOptions(grace_seconds=50))
    assert longer.stored.obj["metadata"]["deletionGracePeriodSeconds"] == 5
    with pytest.raises(ApiError, match="UID in precondition"):
        await registry.delete(PODS, "default", "p", DeleteOptions(grace_seconds=0, uid="other"))
    assert (await registry.delete(PODS, "default", "p", DeleteOptions(grace_seconds=0))).removed
    await registry.create(PODS, "default", pod("never-ran"))
    assert (await registry.delete(PODS, "default", "never-ran")).removed


async def test_finalizers_hold_an_object(registry: Registry) -> None:
    obj = deployment()
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await registry.create(DEPLOYMENTS, "default", obj)
    held = await registry.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Foreground"))
    assert held.stored.obj["metadata"]["finalizers"] == ["example.com/hold", "foregroundDeletion"]
    with pytest.raises(ApiError, match="no new finalizers can be added"):
        await registry.patch(DEPLOYMENTS, "default", "web", MERGE, {"metadata": {"finalizers": ["example.com/new"]}})
    # The grace of what is not a pod is nothing, so the last finalizer ends the deletion.
    await registry.patch(DEPLOYMENTS, "default", "web", MERGE, {"metadata": {"finalizers": None}})
    assert registry.store.get(DEPLOYMENTS.key, "default", "web") is None


async def test_a_namespace_ends_in_steps(registry: Registry) -> None:
    await registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})
    ending = await registry.delete(NAMESPACES, "", "team")
    assert not ending.removed
    assert ending.stored.obj["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match="because it is being terminated") as caught:
        await registry.create(PODS, "team", pod())
    assert caught.value.code == 403
    await registry.finalize_namespace("team", [])
    assert registry.store.get(NAMESPACES.key, "", "team") is None
    with pytest.raises(ApiError, match="may not be deleted"):
        await registry.delete(NAMESPACES, "", "default")


async def test_services_get_addresses_and_ports_once(registry: Registry) -> None:
    made = [(await registry.create(SERVICES, "default", service(f"s{n}", type="NodePort"))).obj for n in range(4)]
    assert {obj["spec"]["ports"][0]["nodePort"] for obj in made} == {30000, 30001, 30002, 30003}
    assert len({obj["spec"]["clusterIP"] for obj in made}) == 4
    with pytest.raises(ApiError, match="range is full"):
        await registry.create(SERVICES, "default", service("full", type="NodePort"))
    with pytest.raises(ApiError, match="The range of valid ports is 30000-30003"):
        await registry.create(SERVICES, "default", service("far", type="NodePort", ports=[{"port": 1, "nodePort": 80}]))
    with pytest.raises(ApiError, match="provided port is already allocated"):
        await registry.create(
            SERVICES, "default", service("two", type="NodePort", ports=[{"port": 1, "nodePort": 30000}])
        )
    holder = next(obj for obj in made if obj["spec"]["ports"][0]["nodePort"] == 30000)["metadata"]["name"]
    await registry.delete(SERVICES, "default", holder)
    again = await registry.create(
        SERVICES, "default", service("two", type="NodePort", ports=[{"port": 1, "nodePort": 30000}])
    )
    kept = service("two", type="NodePort", ports=[{"port": 1}])
    assert (await registry.update(SERVICES, "default", "two", kept)).obj["spec"]["ports"][0]["nodePort"] == 30000
    assert again.obj["spec"]["clusterIP"] == kept["spec"]["clusterIP"]
    plain = service("two", ports=[{"port": 1}])
    assert "nodePort" not in (await registry.update(SERVICES, "default", "two", plain)).obj["spec"]["ports"][0]


async def test_services_created_at_once_never_share(registry: Registry) -> None:
    answers = await asyncio.gather(
        *(registry.create(SERVICES, "default", service(f"s{n}", type="NodePort")) for n in range(9)),
        return_exceptions=True,
    )
    made = [answer.obj["spec"]["ports"][0]["nodePort"] for answer in answers if not isinstance(answer, BaseException)]
    assert sorted(made) == [30000, 30001, 30002, 30003]


async def test_a_dry_run_stores_and_holds_nothing(registry: Registry) -> None:
    before = registry.store.rv
    for _ in range(6):
        await registry.create(SERVICES, "default", service(type="NodePort"), dry_run=True)
    assert registry.store.rv == before
    assert registry.store.get(SERVICES.key, "default", "web") is None


async def test_repeated_events_are_counted(registry: Registry) -> None:
    about = (await registry.create(PODS, "default", pod())).obj
    recorder = EventRecorder(registry, "kubelet", "n")
    for _ in range(3):
        recorder.event(about, "Warning", "BackOff", "Back-off restarting failed container")
    recorder.event(about, "Normal", "Started", "Started container c")
    await recorder.close()
    events = [stored.obj for stored in registry.store.list(EVENTS.key)]
    assert {(event["reason"], event["count"]) for event in events} == {("BackOff", 3), ("Started", 1)}
    assert events[0]["involvedObject"]["uid"] == about["metadata"]["uid"]
