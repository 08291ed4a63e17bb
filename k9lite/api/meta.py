"""What every kind has in common: names, metadata a client may not set, generation, deletion. Pure.

Source: k8s.io/apiserver/pkg/registry/rest/{create,update,delete}.go.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

from k9lite.api.errors import ApiError, Cause, bad_request, conflict, invalid
from k9lite.api.objects import Obj, annotations_of, meta, name_of
from k9lite.api.resources import Resource
from k9lite.api.schema import check_types
from k9lite.api.validation import (
    check_annotations,
    check_finalizers,
    check_labels,
    check_name,
    check_owners,
    not_allowed,
    required,
    unsupported,
    wrong,
)
from k9lite.api.writer import Writer

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_POLICIES = ("Background", "Foreground", "Orphan")
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """metav1.DeleteOptions. `propagation` is Background, Foreground or Orphan; None: the kind's default."""

    grace_seconds: int | None = None
    propagation: str | None = None
    uid: str | None = None
    rv: int | None = None
    dry_run: bool = False

    @classmethod
    def parse(cls, body: Any, query: dict[str, str]) -> DeleteOptions:
        """From a request's body and query. Raises ApiError 400 or 422."""
        body = {} if body is None else body
        if not isinstance(body, dict):
            raise bad_request("DeleteOptions must be an object")
        if body.get("kind") not in (None, "", "DeleteOptions"):
            raise bad_request(f"the body of a DELETE must be DeleteOptions, not {body['kind']}")
        check_types("v1", "DeleteOptions", body)
        preconditions = body.get("preconditions") or {}
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        dry_run = body.get("dryRun") or list(filter(None, [query.get("dryRun")]))
        causes = [unsupported("dryRun", dry_run, ("All",))] if dry_run not in ([], ["All"]) else []
        policy = _policy(body, query, causes)
        if causes:
            raise invalid("DeleteOptions", "meta.k8s.io", "", causes)
        try:
            rv = preconditions.get("resourceVersion")
            return cls(
                None if grace is None else int(grace), policy, preconditions.get("uid"),
                None if rv is None else int(rv), bool(dry_run),
            )  # fmt: skip
        except ValueError as error:
            raise bad_request(f"DeleteOptions: {error}") from error


def _policy(body: Obj, query: dict[str, str], causes: list[Cause]) -> str | None:
    """propagationPolicy, also in its older form orphanDependents."""
    policy = body.get("propagationPolicy") or query.get("propagationPolicy")
    orphan = body.get("orphanDependents")
    if orphan is None and query.get("orphanDependents"):
        orphan = query["orphanDependents"] in ("true", "1")
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(wrong("propagationPolicy", policy, why))
    elif policy not in (None, *_POLICIES):
        causes.append(unsupported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if orphan is not None:
        return "Orphan" if orphan else "Background"
    return policy


def generated_name(base: str) -> str:
    """generateName's result: at most 58 characters of the base and five random ones."""
    return base[:58] + "".join(random.choices(_SUFFIX, k=5))


def check_identity(
    resource: Resource, obj: Any, namespace: str, name: str | None = None, by: Writer | None = None
) -> Obj:
    """The body as an object of that resource, in that namespace, with that name, without what its kind does not have.

    Raises ApiError 400, or 422 where `by` wants to be told of unknown fields.
    """
    if not isinstance(obj, dict):
        raise bad_request(
            "the object provided is unrecognized (must be of type " + resource.kind + "): not a JSON object"
        )
    api_version, kind = obj.setdefault("apiVersion", resource.api_version), obj.setdefault("kind", resource.kind)
    if kind != resource.kind:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f'no kind "{kind}" is registered for version "{api_version}" here'
        )
    if api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match "
            f"the expected API version ({resource.api_version})"
        )
    if obj.setdefault("metadata", {}) is None:
        obj["metadata"] = {}
    prune = resource.prune
    unknown = prune(obj) if prune else check_types(resource.api_version, resource.kind, obj)
    if by is not None:
        by.judge(resource.api_version, resource.kind, obj, unknown)
    metadata = obj["metadata"]
    if resource.namespaced:
        if metadata.get("namespace") not in (None, "", namespace):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if name is not None:
        if metadata.get("name") not in (None, "", name):
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        metadata["name"] = name
    return obj


def prepare_create(resource: Resource, obj: Obj, now: str) -> None:
    """Name, defaults, server-owned metadata and status of a new object, in place. Raises ApiError 400 or 422."""
    metadata = meta(obj)
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    for field in _SERVER_OWNED:
        metadata.pop(field, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(str(metadata["generateName"]))
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now
    if resource.has_generation:
        metadata["generation"] = 1
    raise_if(resource, obj, validate_meta(resource, obj))
    if resource.custom_schema is not None:
        resource.reset_status(obj)  # before it would be validated
    resource.default(obj)
    raise_if(resource, obj, resource.validate(obj))
    resource.reset_status(obj)


def validate_meta(resource: Resource, obj: Obj) -> list[Cause]:
    metadata = meta(obj)
    name = metadata.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    causes = check_name("metadata.name", name, resource.name_rule)
    causes += check_labels("metadata.labels", metadata.get("labels"))
    causes += check_annotations("metadata.annotations", metadata.get("annotations"))
    causes += check_owners("metadata.ownerReferences", metadata.get("ownerReferences"))
    causes += check_finalizers("metadata.finalizers", metadata.get("finalizers"))
    return causes


def raise_if(resource: Resource, obj: Obj, causes: list[Cause]) -> None:
    """Raises ApiError 422 if there are causes."""
    if causes:
        raise invalid(resource.kind, resource.group, name_of(obj), causes)


def prepare_update(resource: Resource, new: Obj, old: Obj, subresource: str | None) -> int | None:
    """Carry over what an update may not change, default and validate, in place.

    Returns the resourceVersion that the client asked for, None if it gave none. Raises ApiError 409 or 422.
    """
    metadata, before = meta(new), old["metadata"]
    wanted = metadata.get("resourceVersion")
    if metadata.get("uid") not in (None, "", before["uid"]):
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
        raise conflict(resource.key, name_of(old), why)
    if subresource == "status":
        _only_status(new, old)
        if resource.custom_schema is not None:
            resource.default(new)
            raise_if(resource, new, resource.validate(new))
        return _version(wanted)
    for field in (*_SERVER_OWNED, "generateName"):
        if field in before:
            metadata[field] = before[field]
        else:
            metadata.pop(field, None)
    if "status" in resource.subresources:
        if "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)
    resource.carry_over(new, old)
    resource.default(new)
    causes = validate_meta(resource, new) + _new_finalizers(metadata, before)
    if _differs_in_content(new, old) or (resource.custom_schema is not None and new.get("status") != old.get("status")):
        causes += resource.validate(new)
        if resource.custom_schema is not None or "spec" not in old or isinstance(new.get("spec"), dict):
            causes += resource.validate_update(new, old)
    raise_if(resource, new, causes)
    if _is_new_generation(resource, new, old):
        metadata["generation"] = int(before.get("generation", 0)) + 1
    return _version(wanted)


def _differs_in_content(new: Obj, old: Obj) -> bool:
    """Whether anything but metadata and status differs; what is stored was valid, so only that needs a look."""
    return any(new.get(key) != old.get(key) for key in new.keys() | old.keys() if key not in ("metadata", "status"))


def _is_new_generation(resource: Resource, new: Obj, old: Obj) -> bool:
    if not resource.has_generation:
        return False
    if resource.generation_counts_annotations and annotations_of(new) != annotations_of(old):
        return True
    if resource.custom_schema is not None:
        ignored = ("metadata", "status") if "status" in resource.subresources else ("metadata",)
        return any(new.get(key) != old.get(key) for key in new.keys() | old.keys() if key not in ignored)
    return bool(new.get("spec") != old.get("spec"))


def _only_status(new: Obj, old: Obj) -> None:
    status = new.get("status")
    new.clear()
    new.update({key: value for key, value in old.items() if key != "status"})
    new["metadata"] = dict(old["metadata"])
    if status is not None:
        new["status"] = status


def _version(text: Any) -> int | None:
    if text in (None, "", "0"):
        return None
    try:
        return int(text)
    except (TypeError, ValueError) as error:
        raise ApiError(400, "BadRequest", f'metadata.resourceVersion: Invalid value: "{text}": not a number') from error


def _new_finalizers(metadata: Obj, before: Obj) -> list[Cause]:
    if not before.get("deletionTimestamp"):
        return []
    added = set(metadata.get("finalizers") or []) - set(before.get("finalizers") or [])
    why = f"no new finalizers can be added if the object is being deleted, found new finalizers {sorted(added)}"
    return [not_allowed("metadata.finalizers", why)] if added else []
