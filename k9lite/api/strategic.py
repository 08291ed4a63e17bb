"""Strategic merge patch: like a merge patch, but lists of objects merge by a key, as the field table says.

    {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}        item c gets another image, the others stay
    $patch: delete | replace | merge                                 in a map, or in an item of a merging list
    $retainKeys: [a, b]                                              every other key of that map goes
    $deleteFromPrimitiveList/finalizers: [x]                         values that leave a list of scalars
    $setElementOrder/containers: [{name: a}, {name: b}]              the order of the list afterwards

Source: k8s.io/apimachinery/pkg/util/strategicpatch, whose order of lists this keeps too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k9lite.api.errors import bad_request
from k9lite.api.objects import Obj
from k9lite.api.types import Field, fields_of, is_struct, item_of

PATCH, RETAIN = "$patch", "$retainKeys"
ORDER, DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"
_SCALAR: Field = {"t": ""}
_MAX_DEPTH = 250


def strategic_merge(obj: Obj, patch: Obj, type_name: str) -> Obj:
    """The patched object; `obj` may be changed. `type_name` is its type. Raises ApiError 400."""
    return _merge_map(obj, patch, type_name, 0)


def _merge_map(target: Obj, patch: Obj, type_name: str, depth: int) -> Obj:
    if depth > _MAX_DEPTH:
        raise bad_request("the patch is nested too deeply")
    directive = patch.get(PATCH)
    if directive == "delete":
        return {}
    if directive not in (None, "merge", "replace"):
        raise bad_request(f"unable to apply patch: unknown patch type found: {directive}")
    merged = {} if directive == "replace" else dict(target)
    if RETAIN in patch:
        kept = _list(patch, RETAIN)
        merged = {key: value for key, value in merged.items() if key in kept}
    for key in patch:
        if key.startswith(DELETE_FROM):
            gone = _list(patch, key)
            name = key.removeprefix(DELETE_FROM)
            merged[name] = [item for item in _items(merged, name) if item not in gone]
    for key, value in patch.items():
        if key in (PATCH, RETAIN) or key.startswith((ORDER, DELETE_FROM)):
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(merged.get(key), value, _field(type_name, key), depth + 1)
    for key in patch:
        name = key.removeprefix(ORDER)
        if key.startswith(ORDER) and isinstance(merged.get(name), list):
            by = _field(type_name, name).get("mk")
            merged[name] = _ordered(merged[name], _items(target, name), _list(patch, key), by)
    return merged


def _field(type_name: str, key: str) -> Field:
    """What the table says of a field; scalars' rules for what it does not know."""
    if is_struct(type_name):
        return fields_of(type_name).get(key, _SCALAR)
    item = item_of(type_name) if type_name.startswith("map") else None
    return {"t": item} if item else _SCALAR


def _merge_value(old: Any, new: Any, field: Field, depth: int) -> Any:
    strategy = field.get("s", "")
    if isinstance(new, dict):
        kept = old if isinstance(old, dict) and strategy != "replace" else {}
        return _merge_map(kept, new, field["t"], depth)
    if isinstance(new, list) and "merge" in strategy:
        return _merge_list(old if isinstance(old, list) else [], new, field, depth)
    return new


def _merge_list(old: list[Any], new: list[Any], field: Field, depth: int) -> list[Any]:
    key = field.get("mk")
    if key is None:
        return list({_identity(item): item for item in [*old, *new]}.values())
    if not all(isinstance(item, dict) for item in new):
        raise bad_request("unable to apply patch: a list of objects merges with objects only")
    if any(item.get(PATCH) == "replace" for item in new):
        return [item for item in new if item.get(PATCH) != "replace"]
    merged = list(old)
    for item in new:
        if item.get(key) is None:
            raise bad_request(f"unable to apply patch: map: {item} does not contain declared merge key: {key}")
        at = next((n for n, had in enumerate(merged) if isinstance(had, dict) and had.get(key) == item[key]), None)
        if item.get(PATCH) == "delete":
            merged = [had for had in merged if not (isinstance(had, dict) and had.get(key) == item[key])]
        elif at is None:
            merged.append(_merge_map({}, item, field["t"][:-2], depth + 1))
        else:
            merged[at] = _merge_map(merged[at], item, field["t"][:-2], depth + 1)
    return merged


def _identity(item: Any) -> tuple[type, str]:
    return type(item), str(item)


def _ordered(merged: list[Any], before: list[Any], order: list[Any], key: str | None) -> list[Any]:
    """What the patch orders, in that order; among it what only the server has, near where that was."""

    def identity(item: Any) -> Any:
        return _identity(item.get(key) if key is not None and isinstance(item, dict) else item)

    wanted = {identity(item): place for place, item in enumerate(order)}
    places = {identity(item): place for place, item in enumerate(before)}
    listed = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted[identity(item)])
    others = [item for item in merged if identity(item) not in wanted]
    return _interleaved(others, listed, lambda item: places.get(identity(item)))


def _interleaved(others: list[Any], listed: list[Any], place: Callable[[Any], int | None]) -> list[Any]:
    """Both lists, each in its own order; an item of `others` comes before the first listed one that it preceded."""
    result: list[Any] = []
    for item in listed:
        here = place(item)
        while others and here is not None and (there := place(others[0])) is not None and there < here:
            result.append(others[0])
            others = others[1:]
        result.append(item)
    return result + others


def _list(patch: Obj, key: str) -> list[Any]:
    value = patch[key]
    if not isinstance(value, list):
        raise bad_request(f"unable to apply patch: {key} must be a list")
    return value


def _items(obj: Obj, name: str) -> list[Any]:
    value = obj.get(name)
    return value if isinstance(value, list) else []
