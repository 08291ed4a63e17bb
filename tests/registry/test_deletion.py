"""Deletion: graceful, held by finalizers, by preconditions, of many at once."""

from __future__ import annotations

import asyncio

import pytest

from k9lite.api.catalog import DEPLOYMENTS, NAMESPACES, PODS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj
from k9lite.api.patch import MERGE
from k9lite.registry.registry import Registry
from tests.support.objects import deployment, pod


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


async def test_a_plain_update_does_not_free_a_namespace(registry: Registry) -> None:
    await registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})
    await registry.delete(NAMESPACES, "", "team")
    changed = await registry.update(NAMESPACES, "", "team", {"metadata": {"name": "team"}, "spec": {"finalizers": []}})
    assert changed.obj["spec"]["finalizers"] == ["kubernetes"]
    assert registry.store.get(NAMESPACES.key, "", "team") is not None


async def test_nothing_is_left_in_a_namespace_that_is_gone(registry: Registry) -> None:
    await registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})
    # Both are let in before either is written.
    await asyncio.gather(registry.delete(NAMESPACES, "", "team"), registry.create(PODS, "team", pod()))
    assert registry.store.get(PODS.key, "team", "p") is not None
    await registry.finalize_namespace("team", [])
    assert registry.store.list(PODS.key, "team") == []


async def test_deletion_is_a_new_generation(registry: Registry) -> None:
    await registry.create(DEPLOYMENTS, "default", deployment())
    ending = await registry.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Foreground"))
    assert ending.stored.obj["metadata"]["generation"] == 2
    again = await registry.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Foreground"))
    assert again.stored.rv == ending.stored.rv


async def test_many_are_deleted_at_once(registry: Registry) -> None:
    for number in range(5):
        await registry.create(PODS, "default", {**pod(f"p{number}")})
    gone = await registry.delete_collection(
        PODS, "default", lambda obj: obj["metadata"]["name"] != "p3", DeleteOptions()
    )
    assert len(gone) == 4
    assert [stored.obj["metadata"]["name"] for stored in registry.store.list(PODS.key)] == ["p3"]


async def test_preconditions(registry: Registry) -> None:
    made = await registry.create(PODS, "default", pod())
    for options in (DeleteOptions(uid="other"), DeleteOptions(rv=made.rv - 1)):
        with pytest.raises(ApiError) as caught:
            await registry.delete(PODS, "default", "p", options)
        assert caught.value.reason == "Conflict"
    assert (await registry.delete(PODS, "default", "p", DeleteOptions(dry_run=True))).removed
    uid = made.obj["metadata"]["uid"]
    assert (await registry.delete(PODS, "default", "p", DeleteOptions(uid=uid, rv=made.rv))).removed


@pytest.mark.parametrize(
    ("body", "query", "options"),
    [
        (None, {}, DeleteOptions()),
        ({"gracePeriodSeconds": 0, "propagationPolicy": "Orphan"}, {}, DeleteOptions(grace_seconds=0, propagation="Orphan")),
        (None, {"gracePeriodSeconds": "5", "propagationPolicy": "Foreground"}, DeleteOptions(5, "Foreground")),
        ({"orphanDependents": True}, {}, DeleteOptions(propagation="Orphan")),
        ({"orphanDependents": False}, {}, DeleteOptions(propagation="Background")),
        ({"preconditions": {"uid": "u", "resourceVersion": "7"}}, {}, DeleteOptions(uid="u", rv=7)),
        ({"dryRun": ["All"]}, {}, DeleteOptions(dry_run=True)),
        (None, {"dryRun": "All"}, DeleteOptions(dry_run=True)),
    ],
)  # fmt: skip
def test_options(body: Obj | None, query: dict[str, str], options: DeleteOptions) -> None:
    assert DeleteOptions.parse(body, query) == options


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([1], 400), ("now", 400), ({"gracePeriodSeconds": "x"}, 400), ({"preconditions": 5}, 400),
        ({"preconditions": {"resourceVersion": "x"}}, 400), ({"propagationPolicy": "Sideways"}, 422),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422), ({"dryRun": ["Some"]}, 422),
    ],
)  # fmt: skip
def test_bad_options(body: Obj, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        DeleteOptions.parse(body, {})
    assert caught.value.code == code
