"""Who owns which fields: metadata.managedFields, and server-side apply on top of it. Pure.

    apply    the manager's entry becomes exactly what it applied; what it applied before, does not now, and nobody else
             owns is removed; a field that another owns and that would change is a conflict, unless forced
    update   (every other write) what changed is owned by the writer, and by nobody else any more

Only writes with a Writer are tracked, and objects that a part of the control plane made have no entries until somebody
applies them: what is there then belongs to "before-first-apply".

Source: k8s.io/apimachinery/pkg/util/managedfields and sigs.k8s.io/structured-merge-diff/merge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from k9lite.api.errors import ApiError, Cause
from k9lite.api.fieldsets import (
    Leaves,
    Path,
    difference,
    dotted,
    fields_v1_of,
    from_fields_v1,
    leaves_of,
    merge,
    to_fields_v1,
    with_structs,
    without,
)
from k9lite.api.objects import Obj, annotations_of, dig, meta, same_json
from k9lite.api.resources import Resource
from k9lite.api.shapes import shape_of
from k9lite.api.writer import Writer

APPLY, UPDATE = "Apply", "Update"
BEFORE_FIRST_APPLY, ANCIENT = "before-first-apply", "ancient-changes"
KUBECTL, LAST_APPLIED = "kubectl", "kubectl.kubernetes.io/last-applied-configuration"
MAX_UPDATERS = 10
"""Entries of operation Update; the oldest beyond become one."""
_IDENTITY = ("apiVersion", "kind")
_OF_THE_SERVER = (
    "name", "namespace", "uid", "creationTimestamp", "selfLink", "generation", "resourceVersion", "managedFields",
    "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
_UNTRACKED = frozenset(
    {("f:metadata",), *((f"f:{name}",) for name in _IDENTITY)}
    | {("f:metadata", f"f:{name}") for name in _OF_THE_SERVER}
)
_METADATA = {("f:metadata",)}


@dataclass(frozen=True, slots=True)
class Key:
    """Tells managers apart. Appliers are one whatever version they apply in."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def described(self) -> str:
        """As conflicts name it."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


@dataclass(slots=True)
class Owned:
    paths: set[Path]
    time: str
    api_version: str = ""


@dataclass(slots=True)
class Managers:
    """managedFields, decoded."""

    owned: dict[Key, Owned] = field(default_factory=dict)

    @classmethod
    def of(cls, obj: Obj) -> Managers:
        """Entries that make no sense are left out: clients may write them."""
        found = cls()
        for entry in dig(obj, "metadata", "managedFields", default=[]):
            operation, name = entry.get("operation"), entry.get("manager") or ""
            if operation not in (APPLY, UPDATE) or not isinstance(entry.get("fieldsV1"), dict):
                continue
            version = entry.get("apiVersion") or ""
            key = Key(name, operation, version if operation == UPDATE else "", entry.get("subresource") or "")
            found.owned[key] = Owned(from_fields_v1(entry["fieldsV1"]), entry.get("time") or "", version)
        return found

    def write(self, obj: Obj) -> None:
        """Into the object's managedFields, in upstream's order: appliers first, each by time and name."""
        self._cap()
        entries = [_entry(key, owned) for key, owned in self.owned.items() if owned.paths]
        entries.sort(key=lambda e: (e["operation"], e.get("time", ""), e["manager"], e["apiVersion"]))
        if entries:
            meta(obj)["managedFields"] = entries
        else:
            meta(obj).pop("managedFields", None)

    def _cap(self) -> None:
        updaters = sorted((key for key in self.owned if key.operation == UPDATE), key=lambda k: self.owned[k].time)
        if len(updaters) <= MAX_UPDATERS:
            return
        for key in updaters[: len(updaters) - MAX_UPDATERS + 1]:
            owned = self.owned.pop(key)
            ancient = Key(ANCIENT, UPDATE, key.api_version)
            kept = self.owned.setdefault(ancient, Owned(set(), owned.time, key.api_version))
            kept.paths |= owned.paths
            kept.time = max(kept.time, owned.time)

    def take(self, key: Key, paths: set[Path], api_version: str, now: str) -> None:
        """Make these the manager's fields; its time moves only if they are others than before."""
        before = self.owned.get(key)
        if before is None or before.paths != paths or before.api_version != api_version:
            self.owned[key] = Owned(paths, now, api_version)

    def disown(self, paths: set[Path], but: Key, now: str) -> None:
        """Take these fields from everybody else."""
        for key, owned in list(self.owned.items()):
            if key != but and not owned.paths.isdisjoint(paths):
                self.take(key, owned.paths - paths, owned.api_version, now)

    def conflicts(self, written: set[Path], but: Key) -> list[tuple[Key, Path]]:
        return [
            (key, path)
            for key, owned in sorted(self.owned.items(), key=lambda entry: entry[0].manager)
            if key != but
            for path in sorted(owned.paths & written)
        ]


def _entry(key: Key, owned: Owned) -> Obj:
    entry: Obj = {"manager": key.manager, "operation": key.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": to_fields_v1(owned.paths)}
    if key.subresource:
        entry["subresource"] = key.subresource
    return entry


# Writes that do not apply -----------------------------------------------------------------------------
def track_create(resource: Resource, obj: Obj, by: Writer, now: str) -> None:
    """The writer owns all of a new object, in place."""
    managers, metadata = Managers.of(obj), meta(obj)
    metadata.pop("managedFields", None)
    if managers.owned:
        paths = set(_leaves(resource, obj, by))
        managers.take(Key(by.manager, UPDATE, resource.api_version), paths, resource.api_version, now)
        managers.write(obj)
        return
    part = {key: value for key, value in _part(resource, obj, by).items() if key not in _IDENTITY}
    part["metadata"] = {key: value for key, value in metadata.items() if key not in _OF_THE_SERVER}
    fields = fields_v1_of(part, shape_of(resource))
    if not fields.get("f:metadata"):
        fields.pop("f:metadata", None)
    if fields:
        entry = {"manager": by.manager, "operation": UPDATE, "apiVersion": resource.api_version, "time": now}
        metadata["managedFields"] = [{**entry, "fieldsType": "FieldsV1", "fieldsV1": fields}]


def track_update(resource: Resource, obj: Obj, old: Obj, by: Writer, now: str) -> None:
    """The writer owns what it changed, in place. What the object says of managedFields counts, if it makes sense."""
    given = meta(obj).pop("managedFields", None)
    if given == [{}] and not by.subresource:  # how clients ask to forget all of it
        return
    carried = old["metadata"].get("managedFields")
    is_rewritten = bool(given) and given != carried and not by.subresource
    managers = Managers.of({"metadata": {"managedFields": given}}) if is_rewritten else Managers()
    if not (carried or managers.owned):
        return
    written, gone = _difference(resource, old, obj, by)
    if not (written or gone or managers.owned):
        meta(obj)["managedFields"] = carried
        return
    managers = managers if managers.owned else Managers.of(old)
    key = Key(by.manager, UPDATE, resource.api_version, by.subresource)
    if written or gone:
        managers.disown(written | gone, key, now)
        before = managers.owned[key].paths if key in managers.owned else set()
        managers.take(key, (before - gone) | written, resource.api_version, now)
    managers.write(obj)


def carry_managers(obj: Obj, old: Obj) -> None:
    """For writes that are not tracked: the entries stay as they are, in place."""
    if "managedFields" not in meta(obj) and "managedFields" in old["metadata"]:
        meta(obj)["managedFields"] = old["metadata"]["managedFields"]


def _leaves(resource: Resource, obj: Obj, by: Writer) -> Leaves:
    """What the write may own: status through its subresource alone, and nothing else through that."""
    found = leaves_of(_part(resource, obj, by), shape_of(resource))
    return {path: value for path, value in found.items() if path not in _UNTRACKED}


def _difference(resource: Resource, old: Obj, new: Obj, by: Writer) -> tuple[set[Path], set[Path]]:
    """(what is new or has another value, what is gone), of what the write may own."""
    parts = _part(resource, old, by), _part(resource, new, by)
    written, gone = difference(*parts, shape_of(resource))
    return written - _UNTRACKED, gone - _UNTRACKED


def _part(resource: Resource, obj: Obj, by: Writer) -> Obj:
    if by.subresource == "status":
        return {"status": obj["status"]} if "status" in obj else {}
    if "status" in resource.subresources:
        return {key: value for key, value in obj.items() if key != "status"}
    return obj


# Apply ------------------------------------------------------------------------------------------------
def apply_new(resource: Resource, applied: Obj, by: Writer, now: str) -> Obj:
    """The object that an apply creates."""
    made = _identified(applied, _part(resource, applied, by))
    managers = Managers()
    key = Key(by.manager, APPLY, "", by.subresource)
    managers.take(key, set(_leaves(resource, made, by)), resource.api_version, now)
    managers.write(made)
    return made


def apply(resource: Resource, applied: Obj, live: Obj, by: Writer, now: str) -> Obj:
    """What is there with what is applied over it. Raises ApiError 400, or 409 for conflicts."""
    shape, key = shape_of(resource), Key(by.manager, APPLY, "", by.subresource)
    managers = Managers.of(live)
    before = {name: value for name, value in live.items() if name != "metadata"}
    before["metadata"] = {name: value for name, value in live["metadata"].items() if name != "managedFields"}
    if not managers.owned:
        first = Key(BEFORE_FIRST_APPLY, UPDATE, resource.api_version)
        managers.take(first, set(_leaves(resource, before, by)), resource.api_version, now)
    wanted = _identified(applied, _part(resource, applied, by))
    merged: Obj = merge(before, wanted, shape)
    last = managers.owned[key].paths if key in managers.owned else set()
    managers.take(key, set(_leaves(resource, wanted, by)), resource.api_version, now)
    kept = set().union(*(owned.paths for owned in managers.owned.values()))
    gone = with_structs(last) - with_structs(kept) - _METADATA
    if gone:
        merged = without(merged, shape, gone)
    written, removed = _difference(resource, before, merged, by)
    conflicts = managers.conflicts(written, key)
    if conflicts and not by.force:
        allowed = _applied_by_client(resource, before, by) if by.manager == KUBECTL else set()
        if contested := [(owner, path) for owner, path in conflicts if path not in allowed]:
            raise _conflict(contested)
    managers.disown(written | removed if conflicts else removed, key, now)
    managers.write(merged)
    return merged


def _applied_by_client(resource: Resource, live: Obj, by: Writer) -> set[Path]:
    """What `kubectl apply` set and still stands: kubectl may take that over when it applies on the server's side."""
    try:
        content = orjson.loads(annotations_of(live).get(LAST_APPLIED, ""))
    except orjson.JSONDecodeError:
        return set()
    last = _leaves(resource, content, by) if isinstance(content, dict) else {}
    there = _leaves(resource, live, by)
    return {path for path, value in last.items() if path in there and same_json(value, there[path])}


def _identified(applied: Obj, part: Obj) -> Obj:
    return {"apiVersion": applied["apiVersion"], "kind": applied["kind"], "metadata": applied["metadata"], **part}


def _conflict(conflicts: list[tuple[Key, Path]]) -> ApiError:
    causes = [
        Cause(dotted(path), "FieldManagerConflict", f"conflict with {key.described()}") for key, path in conflicts
    ]
    if len(conflicts) == 1:
        key, path = conflicts[0]
        text = f"Apply failed with 1 conflict: conflict with {key.described()}: {dotted(path)}"
    else:
        lines: dict[str, list[str]] = {}
        for key, path in conflicts:
            lines.setdefault(f"conflicts with {key.described()}:", []).append(f"- {dotted(path)}")
        parts = [line for head, below in lines.items() for line in (head, *below)]
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(parts)
    details: dict[str, Any] = {"causes": [cause.to_status() for cause in causes]}
    return ApiError(409, "Conflict", text, details)
