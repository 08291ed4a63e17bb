"""Sets of fields: which parts of an object somebody owns, as paths and in the form of managedFields (FieldsV1).

    ("f:spec", "f:containers", 'k:{"name":"c"}', "f:image")     {"f:spec":{"f:containers":{"k:{...}":{"f:image":{}}}}}

A path is a member when it ends in a leaf, in an item of a list, in an entry of a map or in an empty object. In FieldsV1
a member without members below it is `{}`; one with some has a "." among them.

Source: sigs.k8s.io/structured-merge-diff (fieldpath, typed.ToFieldSet).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import orjson

from k9lite.api.errors import bad_request
from k9lite.api.objects import Obj, same_json
from k9lite.api.shapes import LEAF, Shape

Path = tuple[str, ...]
Leaves = dict[Path, Any]
"""{member: its value}; what is only there, as a list's item is, has the value _THERE."""
_THERE = "."


def leaves_of(value: Any, shape: Shape) -> Leaves:
    found: Leaves = {}
    _collect(value, shape, (), found)
    return found


def _collect(value: Any, shape: Shape, path: Path, found: Leaves) -> None:
    kind = shape.kind
    if (kind == "struct" or kind == "map") and isinstance(value, dict):
        if not value and path:
            found[path] = _THERE
        for key, item in value.items():
            child = shape.of(key)
            below = (*path, "f:" + key)
            if child.kind == "leaf":
                found[below] = item
                continue
            _collect(item, child, below, found)
            if kind == "map":
                found.setdefault(below, _THERE)
    elif kind == "list" and isinstance(value, list):
        for item in value:
            below = (*path, _item_name(item, shape))
            found[below] = _THERE
            _collect(item, shape.item or LEAF, below, found)
    elif kind == "set" and isinstance(value, list):
        for item in value:
            found[(*path, _value_name(item))] = _THERE
    else:
        found[path] = value


def difference(old: Any, new: Any, shape: Shape) -> tuple[set[Path], set[Path]]:
    """(the members that are new or have another value, those that are gone). Equal parts (true is 1) are not walked."""
    before: Leaves = {}
    after: Leaves = {}
    _differ(old, new, shape, (), before, after)
    return changed(before, after)


def _differ(old: Any, new: Any, shape: Shape, path: Path, before: Leaves, after: Leaves) -> None:
    """Collects what is in the parts that differ."""
    if old == new:
        return
    is_map = shape.kind == "struct" or shape.kind == "map"
    if not (is_map and isinstance(old, dict) and isinstance(new, dict) and old and new):
        _collect(old, shape, path, before)
        _collect(new, shape, path, after)
        return
    for key in old.keys() | new.keys():
        child, below = shape.of(key), (*path, "f:" + key)
        if key in old and key in new:
            _differ(old[key], new[key], child, below, before, after)
            if shape.kind == "map":
                before.setdefault(below, _THERE)
                after.setdefault(below, _THERE)
        else:
            found, value = (before, old[key]) if key in old else (after, new[key])
            _collect(value, child, below, found)
            if shape.kind == "map":
                found.setdefault(below, _THERE)


def fields_v1_of(value: Any, shape: Shape) -> Obj:
    """All members of a value, written: the same as `to_fields_v1(leaves_of(...))`, in one walk."""
    kind = shape.kind
    if (kind == "struct" or kind == "map") and isinstance(value, dict):
        fields: Obj = {}
        for key, item in value.items():
            child = shape.of(key)
            if child.kind == "leaf":
                fields["f:" + key] = {}
                continue
            below = fields_v1_of(item, child)
            if kind == "map" and below:
                below["."] = {}
            if below or kind == "map" or not ((item and isinstance(item, dict)) or isinstance(item, list)):
                fields["f:" + key] = below
        return fields
    if kind == "list" and isinstance(value, list):
        items: Obj = {}
        for item in value:
            below = {**fields_v1_of(item, shape.item or LEAF), ".": {}}
            _unite(items.setdefault(_item_name(item, shape), {}), below)
        return items
    if kind == "set" and isinstance(value, list):
        return {_value_name(item): {} for item in value}
    return {}


def _unite(fields: Obj, more: Obj) -> None:
    for key, below in more.items():
        _unite(fields.setdefault(key, {}), below)


def _item_name(item: Any, shape: Shape) -> str:
    """`k:{"containerPort":80,"protocol":"TCP"}`."""
    fields = item if isinstance(item, dict) else {}
    keys = {key: fields.get(key, default) for key, default in shape.keys}
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def _value_name(item: Any) -> str:
    return "v:" + orjson.dumps(item).decode()


def changed(old: Leaves, new: Leaves) -> tuple[set[Path], set[Path]]:
    """(what is new or has another value, what is gone)."""
    written = {path for path, value in new.items() if path not in old or not same_json(old[path], value)}
    return written, old.keys() - new.keys()


# Merging ----------------------------------------------------------------------------------------------
def merge(live: Any, applied: Any, shape: Shape) -> Any:
    """What is applied over what is there. Raises ApiError 400 for items without their keys, or with the same ones."""
    if shape.kind in ("struct", "map") and isinstance(applied, dict):
        kept = live if isinstance(live, dict) else {}
        return kept | {key: merge(kept.get(key), item, shape.of(key)) for key, item in applied.items()}
    if shape.kind in ("list", "set") and isinstance(applied, list):
        return _merge_lists(live if isinstance(live, list) else [], applied, shape)
    return applied


def _merge_lists(live: list[Any], applied: list[Any], shape: Shape) -> list[Any]:
    def name(item: Any) -> str:
        return _value_name(item) if shape.kind == "set" else _item_name(item, shape)

    for item in applied:
        _check_keys(item, shape)
    old = {name(item): item for item in live}
    new = {name(item): merge(old.get(name(item)), item, shape.item or LEAF) for item in applied}
    if len(new) != len(applied):
        raise bad_request(f"duplicate entries in a list: {orjson.dumps(applied).decode()[:200]}")
    return [new[key] if key in new else old[key] for key in _in_order(list(old), list(new))]


def _in_order(live: list[str], applied: list[str]) -> list[str]:
    """Both lists' items: those applied in their order, those only live before what they preceded."""
    known, wanted = set(live), set(applied)
    shared = deque(item for item in applied if item in known)
    rest, order = deque(live), list[str]()
    for item in applied:
        while rest and (rest[0] not in wanted or not shared or rest[0] != shared[0]):
            before = rest.popleft()
            if before not in wanted:
                order.append(before)
        if shared and shared[0] == item:
            shared.popleft()
        order.append(item)
    return order + [item for item in rest if item not in wanted]


def _check_keys(item: Any, shape: Shape) -> None:
    for key, default in shape.keys:
        if default is None and (not isinstance(item, dict) or item.get(key) is None):
            why = f'associative list with keys has an element that omits key field "{key}"'
            raise bad_request(f"{why} (and doesn't have default value)")


def without(value: Any, shape: Shape, gone: set[Path], path: Path = ()) -> Any:
    """The value without the parts at these paths, each with all that is below it."""
    if shape.kind in ("struct", "map") and isinstance(value, dict):
        return {
            key: without(item, shape.of(key), gone, (*path, "f:" + key))
            for key, item in value.items()
            if (*path, "f:" + key) not in gone
        }
    if shape.kind == "list" and isinstance(value, list):
        named = [(item, (*path, _item_name(item, shape))) for item in value]
        return [without(item, shape.item or LEAF, gone, below) for item, below in named if below not in gone]
    if shape.kind == "set" and isinstance(value, list):
        return [item for item in value if (*path, _value_name(item)) not in gone]
    return value


def with_structs(paths: Iterable[Path]) -> set[Path]:
    """The members, and the named fields on the way to them: those go with the last member below them."""
    found: set[Path] = set()
    for path in paths:
        found.add(path)
        for length in range(len(path) - 1, 0, -1):
            above = path[:length]
            if above in found and path[length - 1].startswith("f:"):
                break
            if path[length - 1].startswith("f:"):
                found.add(above)
    return found


# FieldsV1 ---------------------------------------------------------------------------------------------
def to_fields_v1(paths: Iterable[Path]) -> Obj:
    root: Obj = {}
    for path in sorted(paths):  # a member comes before those below it
        node, last = root, len(path) - 1
        for place, step in enumerate(path):
            below = node.get(step)
            if below is None:
                below = node[step] = {}
            elif not below and place < last:
                below["."] = {}
            node = below
    return root


def from_fields_v1(fields: Any) -> set[Path]:
    """Tolerates anything: managedFields come from clients too."""
    found: set[Path] = set()

    def walk(node: Any, path: Path) -> None:
        if not isinstance(node, dict) or not node:
            found.add(path)
            return
        for step, below in node.items():
            if step == ".":
                found.add(path)
            elif step[:2] in ("f:", "k:", "v:"):
                walk(below, (*path, step))

    walk(fields, ())
    found.discard(())
    return found


def dotted(path: Path) -> str:
    """As errors show it: `.spec.template.spec.containers[name="c"].image`."""
    parts = []
    for step in path:
        if step.startswith("k:"):
            keys = orjson.loads(step[2:])
            parts.append("[" + ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in keys.items()) + "]")
        else:
            parts.append(f"[={step[2:]}]" if step.startswith("v:") else f".{step[2:]}")
    return "".join(parts)
