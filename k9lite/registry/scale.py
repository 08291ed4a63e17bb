"""The scale subresource: autoscaling/v1 Scale in front of spec.replicas."""

from __future__ import annotations

from typing import Any

from k9lite.api.custom import jsonpath
from k9lite.api.errors import bad_request, internal, invalid
from k9lite.api.kinds.apps import selector_text
from k9lite.api.objects import Obj, dig
from k9lite.api.patch import MERGE, apply_patch
from k9lite.api.resources import Resource
from k9lite.api.schema import check_types
from k9lite.api.validation import check_non_negative
from k9lite.api.writer import Writer
from k9lite.registry.registry import Registry


def scale_of(resource: Resource, obj: Obj) -> Obj:
    """The Scale of an object that has replicas."""
    metadata = obj["metadata"]
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Obj = {"replicas": dig(obj, "status", "replicas", default=0), "selector": selector_text(obj)}
    replicas: Any = dig(obj, "spec", "replicas", default=0)
    if (paths := resource.scale_paths) is not None:
        replicas = jsonpath.get(paths.spec_replicas, obj)
        if replicas is None:
            raise internal(f"the spec replicas field {paths.spec_replicas!r} does not exist")
        status = {"replicas": jsonpath.get(paths.status_replicas, obj) or 0}
        if paths.selector and (selector := jsonpath.get(paths.selector, obj)):
            status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in fields if field in metadata},
        "spec": {"replicas": replicas},
        "status": status,
    }


def check_scale(scale: Any, name: str) -> None:
    """Refuse what is no Scale of that name: absent replicas mean 0, so anything else would stop the workload."""
    if not isinstance(scale, dict) or not isinstance(scale.get("spec"), dict):
        raise bad_request("the object provided is unrecognized (must be of type Scale): it has no spec")
    if scale.get("kind") not in (None, "Scale") or scale.get("apiVersion") not in (None, "autoscaling/v1"):
        raise bad_request(
            "the object provided is unrecognized (must be of type Scale): "
            f'it is {scale.get("kind")} of "{scale.get("apiVersion")}"'
        )
    check_types("autoscaling/v1", "Scale", scale)
    given = dig(scale, "metadata", "name")
    if given not in (None, "", name):
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


async def put_scale(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    scale: Obj,
    *,
    dry_run: bool = False,
    by: Writer | None = None,
) -> Obj:
    """Set the replicas. Raises ApiError BadRequest, Conflict, Invalid or NotFound."""
    check_scale(scale, name)
    replicas = dig(scale, "spec", "replicas", default=0)
    causes = check_non_negative("spec.replicas", replicas)
    if causes:
        raise invalid("Scale", "autoscaling", name, causes)
    patch: Obj = {}
    jsonpath.put(resource.scale_paths.spec_replicas if resource.scale_paths else ".spec.replicas", patch, replicas)
    version = dig(scale, "metadata", "resourceVersion")
    if version:
        patch["metadata"] = {"resourceVersion": version}
    stored = await registry.patch(resource, namespace, name, MERGE, patch, dry_run=dry_run, by=by)
    return scale_of(resource, stored.obj)


async def patch_scale(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    content_type: str,
    patch: Any,
    *,
    dry_run: bool,
    by: Writer | None = None,
) -> Obj:
    """Patch the Scale. Raises ApiError."""
    scale = scale_of(resource, registry.get(resource, namespace, name).copy())
    given = dig(patch, "metadata", "resourceVersion") if isinstance(patch, dict) else None
    changed = apply_patch(content_type, patch, scale)
    if given is None:
        changed["metadata"].pop("resourceVersion", None)
    return await put_scale(registry, resource, namespace, name, changed, dry_run=dry_run, by=by)
