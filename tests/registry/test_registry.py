"""The registry on a real store: upstream's words and rules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from k9lite.api.catalog import DEPLOYMENTS, PODS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.api.patch import MERGE
from k9lite.registry.registry import Registry
from k9lite.registry.scale import patch_scale, put_scale, scale_of
from tests.support.objects import deployment, pod, service


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
        (deployment(minReadySeconds=700), "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"),
        (deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
         "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
        (deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}), "may not be 0 when `maxSurge` is 0"),
        (deployment(selector={}), "empty selector is invalid for deployment"),
        (deployment(selector={"matchExpressions": [{"key": "app", "operator": "In"}]}),
         "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
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
    assert scale_of(DEPLOYMENTS, patched.obj)["status"]["selector"] == "app=web"
    scale = await patch_scale(registry, DEPLOYMENTS, "default", "web", MERGE, {"spec": {"replicas": 5}}, dry_run=False)
    assert scale["spec"]["replicas"] == 5
    with pytest.raises(ApiError, match="must be greater than or equal to 0"):
        await put_scale(registry, DEPLOYMENTS, "default", "web", {"spec": {"replicas": -2}})
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}
    with pytest.raises(ApiError, match="the object has been modified"):
        await put_scale(registry, DEPLOYMENTS, "default", "web", stale)


@pytest.mark.parametrize(
    "scale",
    [None, [], "x", {}, {"spec": None}, {"spec": 3}, {"spec": {"replicas": "3"}}, {"spec": {"replicas": 2.5}},
     {"kind": "Deployment", "spec": {"replicas": 3}}, {"metadata": {"name": "other"}, "spec": {"replicas": 3}}],
)  # fmt: skip
async def test_what_is_no_scale_changes_nothing(registry: Registry, scale: Any) -> None:
    made = await registry.create(DEPLOYMENTS, "default", deployment())
    with pytest.raises(ApiError) as caught:
        await put_scale(registry, DEPLOYMENTS, "default", "web", scale)
    assert caught.value.code == 400
    assert registry.get(DEPLOYMENTS, "default", "web").rv == made.rv


async def test_a_dry_run_stores_and_holds_nothing(registry: Registry) -> None:
    before = registry.store.rv
    for _ in range(6):
        await registry.create(SERVICES, "default", service(type="NodePort"), dry_run=True)
    assert registry.store.rv == before
    assert registry.store.get(SERVICES.key, "default", "web") is None


async def test_a_dry_run_is_refused_as_the_real_one_would_be(registry: Registry) -> None:
    made = await registry.create(DEPLOYMENTS, "default", deployment())
    stale = {**deployment(), "metadata": {"name": "web", "resourceVersion": "1"}}
    with pytest.raises(ApiError, match="the object has been modified"):
        await registry.update(DEPLOYMENTS, "default", "web", stale, dry_run=True)
    answer = await registry.update(DEPLOYMENTS, "default", "web", deployment(replicas=9), dry_run=True)
    assert answer.obj["spec"]["replicas"] == 9
    assert answer.obj["metadata"]["resourceVersion"] == str(made.rv)
    assert registry.get(DEPLOYMENTS, "default", "web").rv == made.rv


async def test_a_generation_is_what_a_controller_has_to_look_at(registry: Registry) -> None:
    await registry.create(DEPLOYMENTS, "default", deployment())

    async def patched(patch: Obj) -> int:
        stored = await registry.patch(DEPLOYMENTS, "default", "web", MERGE, patch)
        generation: int = stored.obj["metadata"]["generation"]
        return generation

    assert await patched({"metadata": {"labels": {"a": "b"}}}) == 1
    assert await patched({"metadata": {"annotations": {"a": "b"}}}) == 2
    assert await patched({"spec": {"replicas": 3}}) == 3
    assert await patched({"spec": {"replicas": 3}}) == 3


async def test_a_patch_that_changes_nothing_writes_nothing(registry: Registry) -> None:
    made = await registry.create(DEPLOYMENTS, "default", deployment())
    same: list[Obj] = [{}, {"spec": {"replicas": 1}}, {"status": {"replicas": 7}}, {"metadata": {"uid": None}}]
    for patch in same:
        assert (await registry.patch(DEPLOYMENTS, "default", "web", MERGE, patch)).rv == made.rv
    moved: list[Obj] = [{"metadata": {"name": "other"}}, {"metadata": {"namespace": "other"}}, {"kind": "Pod"}]
    for patch in moved:
        with pytest.raises(ApiError) as caught:
            await registry.patch(DEPLOYMENTS, "default", "web", MERGE, patch)
        assert caught.value.code == 400


async def test_a_pod_changes_only_where_it_may(registry: Registry) -> None:
    await registry.create(PODS, "default", pod())
    image = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
    assert (await registry.patch(PODS, "default", "p", MERGE, image)).obj["spec"]["containers"][0]["image"] == "nginx:2"
    with pytest.raises(ApiError, match="pod updates may not change fields other than"):
        await registry.patch(PODS, "default", "p", MERGE, {"spec": {"restartPolicy": "Never"}})


async def test_a_pod_is_bound_once(registry: Registry) -> None:
    await registry.create(PODS, "default", pod())
    bound = await registry.bind("default", "p", "node")
    assert bound.obj["spec"]["nodeName"] == "node"
    with pytest.raises(ApiError, match='pod p is already assigned to node "node"'):
        await registry.bind("default", "p", "other")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"ownerReferences": [{"kind": "Pod"}]}, "metadata.ownerReferences[0].apiVersion: Invalid value: \"\": version must"),
        ({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in "ab"]},
         "Only one reference can have Controller set to true"),
        ({"finalizers": ["not a name"]}, "name part must consist of alphanumeric characters"),
        ({"labels": {"a": "-"}}, "a valid label must be an empty string or consist of alphanumeric characters"),
        ({"labels": {"x/y/z": ""}}, "prefix part a lowercase RFC 1123 subdomain"),
        ({"annotations": {"a": "x" * 262144}}, "Too long: may not be more than 262144 bytes"),
    ],
)  # fmt: skip
async def test_invalid_metadata_is_explained(registry: Registry, metadata: Obj, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        await registry.create(PODS, "default", {**pod(), "metadata": {"name": "p", **metadata}})
    assert caught.value.code == 422
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"name": "c"}, "spec.containers[0].image: Required value"),
        ({"image": "x"}, "spec.containers[0].name: Required value"),
        ({"name": "C_", "image": "x"}, "a lowercase RFC 1123 label must consist of"),
        ({"name": "c", "image": " x"}, "must not have leading or trailing whitespace"),
        ({"name": "c", "image": "x", "imagePullPolicy": "Maybe"},
         'Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"'),
        ({"name": "c", "image": "x", "ports": [{"containerPort": 0}]}, "must be between 1 and 65535, inclusive"),
        ({"name": "c", "image": "x", "ports": [{"name": "much-too-long-a-name", "containerPort": 1}]},
         "must be no more than 15 characters"),
        ({"name": "c", "image": "x", "env": [{"name": "A=B"}]}, "a valid environment variable name must consist only of"),
        ({"name": "c", "image": "x", "env": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
         "may not be specified when `value` is not empty"),
        ({"name": "c", "image": "x", "resources": {"limits": {"cpu": "much"}}}, "quantities must match the regular expression"),
        ({"name": "c", "image": "x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2000m"}}},
         'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
    ],
)  # fmt: skip
async def test_invalid_containers_are_explained(registry: Registry, container: Obj, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        await registry.create(PODS, "default", pod(containers=[container]))
    assert caught.value.code == 422
    assert message in caught.value.message
