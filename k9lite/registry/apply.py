"""Server-side apply through the registry: it creates what is absent, else merges and writes, again if outrun."""

from __future__ import annotations

from typing import Any

from k9lite.api import managed
from k9lite.api.custom import jsonpath
from k9lite.api.errors import ApiError, bad_request, not_found
from k9lite.api.meta import check_identity
from k9lite.api.objects import Obj, copy_of, dig
from k9lite.api.resources import Resource
from k9lite.api.writer import Writer
from k9lite.registry.registry import Registry
from k9lite.store.watch import Stored

_RETRIES = 20


async def apply(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    applied: Any,
    *,
    by: Writer,
    dry_run: bool = False,
) -> tuple[Stored, bool]:
    """(the object, whether it is new). `by` says in whose name, by force, and through which subresource.

    Raises ApiError: 400 for what is no object of that kind, 409 for conflicts with other managers.
    """
    _check(resource, namespace, name, applied, by)
    subresource = by.subresource if by.subresource == "status" else None
    own_version = dig(applied, "metadata", "resourceVersion")
    for attempt in range(_RETRIES):
        wanted, current = copy_of(applied), registry.store.get(resource.key, namespace, name)
        try:
            if current is None:
                if by.subresource or own_version:
                    raise not_found(resource.key, name)
                made = managed.apply_new(resource, wanted, by, registry.now())
                return await registry.create(resource, namespace, made, dry_run=dry_run), True
            live = resource.served(current.copy())
            merged = managed.apply(resource, wanted, live, by, registry.now())
            entries = merged["metadata"].get("managedFields", [])
            merged["metadata"]["resourceVersion"] = own_version or str(current.rv)
            stored = await registry.update(
                resource, namespace, name, merged, subresource=subresource, dry_run=dry_run, managed_fields=entries
            )
            return stored, False
        except ApiError as error:
            is_race = error.reason == "AlreadyExists" or (error.reason == "Conflict" and not error.causes)
            if not is_race or own_version or attempt == _RETRIES - 1:
                raise
    raise AssertionError("unreachable")


def _check(resource: Resource, namespace: str, name: str, applied: Any, by: Writer) -> None:
    """Make the body an object of that kind, in place. Raises ApiError 400."""
    if not isinstance(applied, dict) or not applied.get("apiVersion") or not applied.get("kind"):
        raise bad_request("error decoding patch: an apply patch must be an object with apiVersion and kind")
    check_identity(resource, applied, namespace, name, by)
    if applied["metadata"].pop("managedFields", None):
        raise bad_request("metadata.managedFields must be nil")


def scale_as_applied(resource: Resource, namespace: str, name: str, scale: Obj) -> Obj:
    """What applying a Scale applies to the object that it scales."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    applied: Obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    path = resource.scale_paths.spec_replicas if resource.scale_paths else ".spec.replicas"
    jsonpath.put(path, applied, dig(scale, "spec", "replicas", default=0))
    return applied
