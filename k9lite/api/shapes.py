"""How far a value can be owned in parts: what server-side apply merges and tracks, and what is one leaf to it.

    struct, map   by their keys            list of "map" type   by the keys of its items (k:{"name":"c"})
    leaf          whole: scalars,          list of "set" type   by its values (v:"x")
                  atomic structs, lists

Built from the field table, and from the structural schemas of custom resources; where neither says anything, objects
are maps and lists are leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from k9lite.api.resources import Resource
from k9lite.api.types import MAP, Field, fields_of, is_struct, item_of, table, type_of


@dataclass(slots=True, eq=False)
class Shape:
    """A leaf, unless it has fields, an item or keys."""

    kind: str = "leaf"
    """leaf, struct, map, list, set"""
    fields: dict[str, Shape] = field(default_factory=dict)
    """Of a struct; filled when first used, because types nest in themselves."""
    item: Shape | None = None
    """Of a map's values, a list's items, a struct's unknown fields."""
    keys: tuple[tuple[str, Any], ...] = ()
    """(name, default) of a list's keys; a default of None: the key has to be there."""
    type_name: str = ""

    def of(self, key: str) -> Shape:
        """The shape of a field or of a map's value."""
        if self.type_name and not self.fields:
            self.fields.update({name: _of_field(about) for name, about in fields_of(self.type_name).items()})
        return self.fields.get(key) or self.item or LEAF


LEAF = Shape()
FREE = Shape("map")
FREE.item = FREE
"""Where nothing is known: objects are maps all the way down, everything else is a leaf."""
VALUES = Shape("set")


def shape_of(resource: Resource) -> Shape:
    """The shape of a resource's objects."""
    if resource.custom_schema is not None:
        return _of_custom(resource)
    type_name = type_of(resource.api_version, resource.kind)
    return _of_type(type_name) if type_name else FREE


@cache
def _of_type(type_name: str) -> Shape:
    """Of a struct, its own atomicity aside: a field may override that."""
    return Shape("struct", type_name=type_name)


def _of_field(about: Field) -> Shape:
    type_name: str = about["t"]
    if type_name.endswith("[]"):
        return _of_list(about, type_name[:-2])
    if type_name.startswith(MAP):
        item = item_of(type_name) or ""
        return LEAF if about.get("m") == "atomic" else Shape("map", item=_of_field({"t": item}))
    if not is_struct(type_name):
        return LEAF
    atomic = about.get("m") or table()["types"][type_name].get("m")
    return LEAF if atomic == "atomic" else _of_type(type_name)


def _of_list(about: Field, item: str) -> Shape:
    if about.get("l") == "set":
        return VALUES
    if about.get("l") != "map":
        return LEAF
    keys = tuple((key, fields_of(item)[key].get("d")) for key in about["k"])
    return Shape("list", item=_of_type(item), keys=keys)


@cache
def _of_custom(resource: Resource) -> Shape:
    shape = _of_schema(resource.custom_schema or {})
    root = Shape("struct", dict(shape.fields), item=shape.item or FREE)
    root.fields |= {"apiVersion": LEAF, "kind": LEAF, "metadata": _of_type("ObjectMeta")}
    return root


def _of_schema(schema: Mapping[str, Any]) -> Shape:
    if schema.get("type") == "array":
        kind, items = schema.get("x-kubernetes-list-type"), schema.get("items") or {}
        if kind == "map":
            properties = items.get("properties") or {}
            keys = schema.get("x-kubernetes-list-map-keys") or ()
            defaults = tuple((key, (properties.get(key) or {}).get("default")) for key in keys)
            return Shape("list", item=_of_schema(items), keys=defaults)
        return VALUES if kind == "set" else LEAF
    if schema.get("x-kubernetes-map-type") == "atomic":
        return LEAF
    if properties := schema.get("properties"):
        return Shape("struct", {name: _of_schema(below) for name, below in properties.items()}, item=FREE)
    if isinstance(below := schema.get("additionalProperties"), Mapping):
        return Shape("map", item=_of_schema(below))
    return FREE if schema.get("type", "object") == "object" else LEAF
