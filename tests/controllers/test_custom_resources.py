"""Custom resources and the controllers: definitions that end, owners, namespaces."""

from __future__ import annotations

from k9lite.api.catalog import CUSTOMRESOURCEDEFINITIONS, NAMESPACES, PODS
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, is_true, owner_reference
from k9lite.api.resources import Resource
from tests.controllers.plane import Plane
from tests.support.definitions import crontab, definition
from tests.support.objects import pod
from tests.support.wait import eventually


async def define(plane: Plane, body: Obj | None = None) -> Resource:
    made = await plane.registry.create(CUSTOMRESOURCEDEFINITIONS, "", body or definition())
    resource = plane.registry.served.by_key(made.obj["metadata"]["name"])
    assert resource is not None
    return resource


async def test_a_definition_takes_its_objects_with_it(plane: Plane) -> None:
    resource = await define(plane)
    for name in ("a", "b"):
        await plane.registry.create(resource, "default", crontab(name))
    held = crontab("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await plane.registry.create(resource, "default", held)
    await plane.registry.delete(CUSTOMRESOURCEDEFINITIONS, "", resource.key)
    await eventually(lambda: [obj["metadata"]["name"] for obj in plane.objects(resource)] == ["held"])
    ending = plane.get(CUSTOMRESOURCEDEFINITIONS, resource.key, "")
    assert is_true(ending, "Terminating")
    await plane.registry.mutate(resource, "default", "held", lambda obj: {**obj, "metadata": {**obj["metadata"], "finalizers": []}})  # fmt: skip
    await eventually(lambda: not plane.objects(CUSTOMRESOURCEDEFINITIONS, ""))
    assert not plane.objects(resource)
    assert plane.registry.served.by_key(resource.key) is None
    again = await define(plane)
    await plane.registry.create(again, "default", crontab("anew"))


async def test_a_name_that_becomes_free_is_taken(plane: Plane) -> None:
    await define(plane)
    waiting = await plane.registry.create(CUSTOMRESOURCEDEFINITIONS, "", definition("tabs", "CronTab"))
    assert not is_true(waiting.obj, "Established")
    await plane.registry.delete(CUSTOMRESOURCEDEFINITIONS, "", "crontabs.stable.example.com")
    await eventually(
        lambda: is_true(plane.get(CUSTOMRESOURCEDEFINITIONS, "tabs.stable.example.com", ""), "Established")
    )
    assert plane.registry.served.by_path("stable.example.com", "v1", "tabs")


async def test_what_a_custom_resource_owns_goes_with_it(plane: Plane) -> None:
    resource = await define(plane)
    for name in ("one", "two"):
        owner = (await plane.registry.create(resource, "default", crontab(name))).obj
        owned = pod(name)
        owned["metadata"]["ownerReferences"] = [owner_reference(owner)]
        await plane.registry.create(PODS, "default", owned)
    await plane.registry.delete(resource, "default", "one")
    await eventually(lambda: [each["metadata"]["name"] for each in plane.pods()] == ["two"])
    await plane.registry.delete(CUSTOMRESOURCEDEFINITIONS, "", resource.key)
    await eventually(lambda: not plane.pods() and not plane.objects(CUSTOMRESOURCEDEFINITIONS, ""))


async def test_foreground_deletion_waits_for_dependents(plane: Plane) -> None:
    resource = await define(plane)
    owner = (await plane.registry.create(resource, "default", crontab())).obj
    child = crontab("child")
    child["metadata"] |= {"ownerReferences": [owner_reference(owner)], "finalizers": ["example.com/hold"]}
    await plane.registry.create(resource, "default", child)
    await plane.registry.delete(resource, "default", "tab", DeleteOptions(propagation="Foreground"))
    await eventually(lambda: "deletionTimestamp" in plane.get(resource, "child")["metadata"])
    assert plane.has(resource, "tab")
    await plane.registry.mutate(resource, "default", "child", lambda obj: {**obj, "metadata": {**obj["metadata"], "finalizers": []}})  # fmt: skip
    await eventually(lambda: not plane.objects(resource))


async def test_a_namespace_takes_its_custom_resources_with_it(plane: Plane) -> None:
    resource = await define(plane)
    await plane.registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})
    await plane.registry.create(resource, "team", crontab())
    await plane.registry.delete(NAMESPACES, "", "team")
    await eventually(lambda: not plane.has(NAMESPACES, "team", ""))
    assert not plane.objects(resource, None)
