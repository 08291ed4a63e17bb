"""The field table: the types of the API with their fields, read once from `kube-types.json`.

One table drives the reading of protobuf bodies, pruning and type checks, strategic merge patch, server-side apply and
the OpenAPI documents. A field is a dict with short keys:

    t   its type: a scalar, a special (Time, Quantity...), a type's name, `X[]`, `map<string,X>`
    n   protobuf number; i: the number of the inlined message it travels in; p: a pointer (an explicit zero counts)
    r   required; d: default of a list key
    l   list type for apply: map, by the keys k, or set; m: atomic or granular, of structs and maps
    s   patch strategy; mk: patch merge key
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Any

import orjson

Field = dict[str, Any]
MAP = "map<string,"
TIMES = ("Time", "MicroTime")


def _text() -> bytes:
    return (resources.files("k9lite.api") / "kube-types.json").read_bytes()


@cache
def table() -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(_text())
    return content


@cache
def fingerprint() -> str:
    """Another one whenever any field is."""
    return hashlib.sha256(_text()).hexdigest()


def type_of(api_version: str, kind: str) -> str | None:
    """The name of a kind's type; None where the table has none (custom resources)."""
    kinds: dict[str, dict[str, str]] = table()["kinds"]
    return kinds.get(api_version, {}).get(kind) or kinds["*"].get(kind)


def is_struct(type_name: str) -> bool:
    return type_name in table()["types"]


def fields_of(type_name: str) -> dict[str, Field]:
    """The fields of a struct by their JSON names, in the order of the wire."""
    fields: dict[str, Field] = table()["types"][type_name]["fields"]
    return fields


def item_of(type_name: str) -> str | None:
    """The type of a list's items or a map's values; None for what is neither."""
    if type_name.endswith("[]"):
        return type_name[:-2]
    return type_name[len(MAP) : -1] if type_name.startswith(MAP) else None
