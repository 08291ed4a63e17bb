"""Client-side apply: three-way merges of what was applied last, what a file says now, and what the server has.

What the file no longer says is removed, what it says is set, and what others set (defaults, status, replicas of an
autoscaler) stays. Lists whose elements have a key (containers by name, ports by number) are merged by element, as
upstream's strategic merge does; all others are replaced whole. The outcome is sent as a merge patch that holds only
differences; where it replaces a list it also holds the resourceVersion, so that nothing written meanwhile is lost.
Source: k8s.io/kubectl/pkg/cmd/apply, k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from typing import Any

import orjson

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, annotations_of, copy_of, name_of, same_json
from k9lite.api.resources import Resource
from k9lite.client.rest import KubeClient

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CONFLICT_RETRIES = 5

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",), "initContainers": ("name",), "ephemeralContainers": ("name",), "volumes": ("name",),
    "env": ("name",), "imagePullSecrets": ("name",), "volumeMounts": ("mountPath",), "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",), "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "secrets": ("name",), "ownerReferences": ("uid",), "conditions": ("type",),
}  # fmt: skip
"""patchMergeKey of k8s.io/api, by the name of the list."""
PORT_KEYS = (("containerPort", "protocol"), ("port", "protocol"))
"""Lists called `ports`: of containers, of Services."""


def last_applied_text(obj: Obj) -> str:
    """What goes into the annotation: the object as the file says it, without the annotation itself."""
    plain = copy_of(obj)
    annotations = plain.get("metadata", {}).get("annotations")
    if isinstance(annotations, dict):
        annotations.pop(LAST_APPLIED, None)
    else:
        plain.setdefault("metadata", {})["annotations"] = {}
    plain.pop("status", None)
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode() + "\n"


def with_annotation(obj: Obj) -> Obj:
    """The object with the annotation of what was applied."""
    made = copy_of(obj)
    metadata = made.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), LAST_APPLIED: last_applied_text(obj)}
    return made


def last_applied(live: Obj) -> Obj:
    """What was applied last time; empty where nothing (or nothing readable) is recorded."""
    try:
        recorded = orjson.loads(annotations_of(live).get(LAST_APPLIED, "{}"))
    except orjson.JSONDecodeError:
        return {}
    return recorded if isinstance(recorded, dict) else {}


def merge(last: Any, wanted: Any, live: Any, name: str = "") -> Any:
    """The three-way merge of one value; `name` is the field that holds it."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return _merge_mapping(last if isinstance(last, dict) else {}, wanted, live)
    if isinstance(wanted, list) and isinstance(live, list):
        keys = _merge_keys(name, [*wanted, *live])
        if keys:
            return _merge_list(last if isinstance(last, list) else [], wanted, live, keys)
    return _equal_quantity(wanted, live)


def _equal_quantity(wanted: Any, live: Any) -> Any:
    """A number written as text, and the other way round, is the same to the server: `cpu: 1` and `cpu: "1"`."""
    return (
        live if isinstance(live, str) and not isinstance(wanted, bool | dict | list) and str(wanted) == live else wanted
    )


def _merge_mapping(last: Obj, wanted: Obj, live: Obj) -> Obj:
    merged = {key: value for key, value in live.items() if key not in last or key in wanted}
    for key, value in wanted.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(last.get(key), value, live.get(key), key)
    return merged


def _merge_keys(name: str, elements: list[Any]) -> tuple[str, ...]:
    """The fields that identify an element; none where elements lack them."""
    candidates = PORT_KEYS if name == "ports" else ((MERGE_KEYS[name],) if name in MERGE_KEYS else ())
    for keys in candidates:
        if all(isinstance(element, dict) and keys[0] in element for element in elements):
            return keys
    return ()


def _identity(element: Obj, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(element.get(key, "TCP" if key == "protocol" else "")) for key in keys)


def _merge_list(last: list[Any], wanted: list[Obj], live: list[Obj], keys: tuple[str, ...]) -> list[Obj]:
    """Elements in the file's order; those that others added stay, behind."""
    by_key = {_identity(element, keys): element for element in live}
    before = {_identity(element, keys): element for element in last if isinstance(element, dict)}
    named = [_identity(element, keys) for element in wanted]
    merged = [
        merge(before.get(identity), element, by_key[identity]) if identity in by_key else element
        for identity, element in zip(named, wanted, strict=True)
    ]
    kept = [element for identity, element in by_key.items() if identity not in named and identity not in before]
    return merged + kept


def difference(old: Obj, new: Obj) -> Obj:
    """The JSON merge patch (RFC 7396) that turns `old` into `new`."""
    patch: Obj = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            inner = difference(old[key], value)
            if inner:
                patch[key] = inner
        elif not same_json(value, old[key]):
            patch[key] = value
    return patch


def patch_for(wanted: Obj, live: Obj) -> Obj:
    """The merge patch that applies `wanted` to `live`; empty if nothing differs."""
    annotated = with_annotation(wanted)
    for server_side in ("status",):
        annotated.pop(server_side, None)
    last = last_applied(live)
    last.pop("status", None)
    for field in ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink"):
        annotated["metadata"].pop(field, None)
        if isinstance(last.get("metadata"), dict):
            last["metadata"].pop(field, None)
    merged = merge(last, annotated, live)
    merged["metadata"]["annotations"][LAST_APPLIED] = annotated["metadata"]["annotations"][LAST_APPLIED]
    patch = difference(live, merged)
    if patch and _holds_list(patch):
        patch.setdefault("metadata", {})["resourceVersion"] = live["metadata"]["resourceVersion"]
    return patch


def edit_patch(original: Obj, edited: Obj, live: Obj) -> Obj:
    """The merge patch that brings what a user changed in `original` into `live`; empty if that changes nothing."""
    before, after = copy_of(original), copy_of(edited)
    if after["metadata"].get("resourceVersion") == before["metadata"].get("resourceVersion"):
        for obj in (before, after):
            obj["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    patch = difference(live, merge(before, after, live))
    if patch and _holds_list(patch):
        patch.setdefault("metadata", {}).setdefault("resourceVersion", live["metadata"]["resourceVersion"])
    return patch


def _holds_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and any(map(_holds_list, value.values())))


async def apply(
    client: KubeClient, resource: Resource, namespace: str | None, obj: Obj, *, dry_run: bool = False
) -> tuple[str, Obj, bool]:
    """(`created`, `configured` or `unchanged`; the object; whether it had been made without apply)."""
    name = name_of(obj)
    for attempt in range(CONFLICT_RETRIES + 1):
        try:
            live = await client.get(resource, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return "created", await client.create(resource, namespace, with_annotation(obj), dry_run=dry_run), False
        foreign = LAST_APPLIED not in annotations_of(live)
        patch = patch_for(obj, live)
        if not patch:
            return "unchanged", live, False
        try:
            changed = await client.patch(resource, namespace, name, patch, dry_run=dry_run)
        except ApiError as error:
            if error.code == 409 and attempt < CONFLICT_RETRIES:
                continue
            raise
        same = changed["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
        return "unchanged" if same else "configured", changed, foreign
    raise AssertionError("not reached")
