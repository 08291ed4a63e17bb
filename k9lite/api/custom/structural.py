"""Structural schemas at work: dropping what they do not name, and filling in their defaults.

A schema is the JSON of `openAPIV3Schema`. Both walks change the value in place. apiVersion, kind and metadata, of the
root and of embedded resources, belong to every object and are left alone. Source:
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting}.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from k9lite.api.objects import Obj

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
OF_EVERY_OBJECT = ("apiVersion", "kind", "metadata")


def prune(value: Any, schema: Schema, path: str = "", *, is_object: bool = False) -> list[str]:
    """Drop the fields that the schema does not name; their paths. `is_object`: has apiVersion, kind and metadata."""
    dropped: list[str] = []
    if isinstance(value, dict):
        is_object = is_object or bool(schema.get(EMBEDDED))
        for key in list(value):
            if is_object and key in OF_EVERY_OBJECT:
                continue
            at = f"{path}.{key}" if path else key
            found, below = _below(schema, key)
            if not found:
                del value[key]
                dropped.append(at)
            elif below:
                dropped += prune(value[key], below, at)
    elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for index, item in enumerate(value):
            dropped += prune(item, items, f"{path}[{index}]")
    return dropped


def _below(schema: Schema, key: str) -> tuple[bool, Schema | None]:
    """Whether the schema allows a field of that name, and the schema of its value, if it has one."""
    properties = schema.get("properties")
    if properties and key in properties:
        return True, properties[key]
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        return True, others
    return bool(others or schema.get(PRESERVE)), None


def fill(value: Any, schema: Schema) -> None:
    """Set the defaults of absent fields. Null is absent where it is not allowed, with a default or without."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for key, below in properties.items():
            if _is_absent(value, key, below):
                if "default" in below:
                    value[key] = _fresh(below["default"])
                else:
                    value.pop(key, None)
            if key in value:
                fill(value[key], below)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            for key in [key for key in value if key not in properties]:
                if value[key] is None and not others.get("nullable"):
                    if "default" not in others:
                        del value[key]
                        continue
                    value[key] = _fresh(others["default"])
                fill(value[key], others)
    elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for index, item in enumerate(value):
            if item is None and not items.get("nullable") and "default" in items:
                value[index] = _fresh(items["default"])
            fill(value[index], items)


def _is_absent(value: Obj, key: str, schema: Schema) -> bool:
    return key not in value or (value[key] is None and not schema.get("nullable"))


def _fresh(default: Any) -> Any:
    return deepcopy(default) if isinstance(default, dict | list) else default
