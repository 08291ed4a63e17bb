"""Whether an `openAPIV3Schema` is a structural schema, with defaults that it allows itself.

Structure (types, properties, items) is said outside of allOf, anyOf, oneOf and not; those hold conditions on values
alone. Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{structural,validation}.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from k9lite.api.custom.structural import EMBEDDED, INT_OR_STRING, PRESERVE, Schema, fill, prune
from k9lite.api.custom.values import check, pattern_of
from k9lite.api.errors import Cause
from k9lite.api.validation import not_allowed, required, unsupported, wrong

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_COMBINED = ("allOf", "anyOf", "oneOf")
_NEVER = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id")
_STRUCTURE = ("type", "default", "additionalProperties", "nullable", PRESERVE, EMBEDDED)
_LIST_TYPES = ("atomic", "map", "set")
RULES = "x-kubernetes-validations"


def check_schema(schema: Schema, path: str) -> list[Cause]:
    """Everything that keeps the root schema of a version from being structural."""
    causes: list[Cause] = []
    if schema.get("type") != "object":
        kind = schema.get("type")
        at = f"{path}.type"
        causes.append(
            wrong(at, kind, "must be object at the root") if kind else required(at, "must not be empty at the root")
        )
    if schema.get("nullable"):
        causes.append(not_allowed(f"{path}.nullable", "nullable cannot be true at the root"))
    metadata = (schema.get("properties") or {}).get("metadata") or {}
    for key in metadata.get("properties") or {}:
        if key not in ("name", "generateName"):
            where = f"{path}.properties[metadata]"
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            causes.append(not_allowed(where, why))
    return causes + [cause for at, part in _parts(schema, path) for cause in _node(part, at, at == path)]


def rules_in(schema: Schema) -> int:
    """How many CEL rules there are."""
    return sum(len(part.get(RULES) or ()) for _, part in _parts(schema, ""))


def _parts(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """The schema and all below it that hold structure, each with its path."""
    yield path, schema
    for key, below in (schema.get("properties") or {}).items():
        yield from _parts(below, f"{path}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(below := schema.get(key), dict):
            yield from _parts(below, f"{path}.{key}")


def _node(schema: Schema, path: str, is_root: bool) -> list[Cause]:
    causes = [not_allowed(f"{path}.{key}", f"{key} is not supported") for key in _NEVER if key in schema]
    if schema.get("uniqueItems"):
        causes.append(
            not_allowed(
                f"{path}.uniqueItems",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            )
        )
    causes += _type(schema, path, is_root) + _list(schema, path)
    if schema.get("properties") and schema.get("additionalProperties"):
        causes.append(
            not_allowed(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
        )
    if isinstance(schema.get("items"), list):
        causes.append(not_allowed(f"{path}.items", "items must be a schema object and not an array"))
    causes += _pattern(schema, path)
    for at, part in _conditions(schema, path):
        allowed = schema.get(INT_OR_STRING) and set(part) <= {"type"}
        if not allowed:
            causes += [
                not_allowed(f"{at}.{key}", "must be empty to be structural") for key in _STRUCTURE if part.get(key)
            ]
        causes += _pattern(part, at)
    return causes + ([] if causes else _default(schema, path))


def _type(schema: Schema, path: str, is_root: bool) -> list[Cause]:
    kind = schema.get("type")
    if schema.get(INT_OR_STRING):
        if kind:
            return [not_allowed(f"{path}.type", f"must be empty if {INT_OR_STRING} is true")]
    elif not kind and not schema.get(PRESERVE) and not is_root:
        of = "array items" if path.endswith(".items") else "object fields"
        return [required(f"{path}.type", f"must not be empty for specified {of}")]
    elif kind and kind not in TYPES:
        return [unsupported(f"{path}.type", kind, TYPES)]
    if schema.get(EMBEDDED) and kind != "object":
        return [wrong(f"{path}.type", kind or "", f"must be object if {EMBEDDED} is true")]
    return []


def _list(schema: Schema, path: str) -> list[Cause]:
    if schema.get("type") == "array" and not schema.get("items"):
        return [required(f"{path}.items", "must be specified")]
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    if kind and schema.get("type") != "array":
        return [wrong(f"{path}.type", schema.get("type") or "", "must be array if x-kubernetes-list-type is specified")]
    if kind and kind not in _LIST_TYPES:
        return [unsupported(f"{path}.x-kubernetes-list-type", kind, _LIST_TYPES)]
    if kind == "map" and not keys:
        return [required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")]
    return []


def _conditions(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """The schemas in combinations, at any depth."""
    parts = [(f"{path}.{key}[{index}]", part) for key in _COMBINED for index, part in enumerate(schema.get(key) or ())]
    if isinstance(schema.get("not"), dict):
        parts.append((f"{path}.not", schema["not"]))
    for at, part in parts:
        yield at, part
        yield from _conditions(part, at)
        for key, below in (part.get("properties") or {}).items():
            yield f"{at}.properties[{key}]", below
            yield from _conditions(below, f"{at}.properties[{key}]")
        if isinstance(part.get("items"), dict):
            yield f"{at}.items", part["items"]


def _pattern(schema: Schema, path: str) -> list[Cause]:
    text = schema.get("pattern")
    if not text:
        return []
    try:
        pattern_of(text)
    except re.error as error:
        return [wrong(f"{path}.pattern", text, f"must be a valid regular expression, but isn't: {error}")]
    return []


def _default(schema: Schema, path: str) -> list[Cause]:
    if "default" not in schema:
        return []
    default: Any = schema["default"]
    if isinstance(default, dict | list):
        default = deepcopy(default)
        fill(default, schema)
        if prune(default, schema, is_object=bool(schema.get(EMBEDDED))):
            return [wrong(f"{path}.default", schema["default"], "must not have unknown fields")]
    return [Cause(f"{path}.default" + cause.field, cause.reason, cause.message) for cause in check(default, schema)]
