"""Objects of every kind in the field table, made by hypothesis."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from k9lite.api.types import fields_of, is_struct, item_of, table

names = st.text("abcxyz-é", max_size=4)
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": names, "bool": st.booleans(), "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1), "double": st.floats(allow_nan=False, allow_infinity=False),
    "bytes": st.binary(max_size=5).map(lambda data: base64.b64encode(data).decode()),
    "Time": times.map(lambda at: at.replace(microsecond=0).isoformat().replace("+00:00", "Z")),
    "MicroTime": times.map(lambda at: at.isoformat(timespec="microseconds").replace("+00:00", "Z")),
    "Duration": st.integers(1, 10**6).map(lambda seconds: f"{seconds}s"),
    "Quantity": st.sampled_from(["0", "1", "500m", "1Gi"]),
    "IntOrString": st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["http", "25%"])),
    "RawJSON": st.one_of(st.booleans(), st.integers(2, 9), names, st.lists(names, max_size=2), st.just({"a": {"b": 1}})),
    "StringList": st.lists(names, max_size=2),
}  # fmt: skip
_EMPTY: tuple[Any, ...] = ("", 0, False, 0.0, {}, [], None)


def _is_zero(value: Any) -> bool:
    return any(value == empty and type(value) is type(empty) for empty in _EMPTY)


@st.composite
def struct(draw: st.DrawFn, type_name: str, depth: int) -> dict[str, Any]:
    """Some of the fields of a type, at most `depth` structs deep; no zero where Go would not tell it from absence."""
    fields = [name for name, about in fields_of(type_name).items() if "n" in about]
    chosen = draw(st.lists(st.sampled_from(fields), unique=True, max_size=5)) if fields else []
    made: dict[str, Any] = {}
    for name in chosen:
        about = fields_of(type_name)[name]
        found = draw(value(about["t"], depth))
        is_single = item_of(about["t"]) is None
        if found is not None and (not _is_zero(found) or (is_single and about.get("p"))):
            made[name] = found
    return made


def value(type_name: str, depth: int) -> st.SearchStrategy[Any]:
    item = item_of(type_name)
    if item is not None and depth > (item not in SCALARS):
        if type_name.endswith("[]"):
            return st.lists(value(item, depth - 1), max_size=2)
        return st.dictionaries(names, value(item, depth - 1), max_size=2)
    if item is not None or (is_struct(type_name) and depth <= 0):
        return st.none()
    if is_struct(type_name):
        return struct(type_name, depth - 1)
    if type_name.startswith("SchemaOr"):
        return _either(type_name, depth)
    return SCALARS[type_name]


def _either(type_name: str, depth: int) -> st.SearchStrategy[Any]:
    if depth <= 0:
        return st.none()
    schema = struct("JSONSchemaProps", depth - 1)
    others = {"SchemaOrBool": st.booleans(), "SchemaOrStrings": st.lists(names, max_size=2),
              "SchemaOrList": st.lists(schema, max_size=2)}  # fmt: skip
    return st.one_of(schema, others[type_name])


KINDS = [(api_version, kind) for api_version, kinds in table()["kinds"].items() for kind in kinds]


@st.composite
def objects(draw: st.DrawFn, depth: int = 6) -> dict[str, Any]:
    """An object of any kind in the table; its values follow the types, but no rule of the kind."""
    api_version, kind = draw(st.sampled_from(KINDS))
    type_name = table()["kinds"][api_version][kind]
    return {"apiVersion": api_version, "kind": kind, **draw(struct(type_name, depth))}
