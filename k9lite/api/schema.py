"""The JSON type of every field: what an object may hold before any rule looks at its values.

Each type of the field table is compiled at its first use into a table of field -> (JSON type, deeper check), so that
checking a Pod costs some microseconds. Unknown fields are dropped and told, as decoders of typed structs drop them.

Null stands for an absent value, as it does to those decoders, and is dropped too, save for times, whose null is written
out by clients.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from k9lite.api.errors import bad_request
from k9lite.api.objects import Obj
from k9lite.api.types import TIMES, fields_of, is_struct, type_of

Unknown = list[str] | None
"""Paths of the fields that no type has, relative to the value; None if there are none."""
Check = Callable[[Any], Unknown]
"""Drops nulls and unknown fields inside the value, in place; raises _WrongType."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_JSON_NAMES = {str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array"}
_LIMITS = {"int32": 1 << 31, "int64": 1 << 63}
_SCALARS: dict[str, type] = {"string": str, "bytes": str, "bool": bool, "Duration": str}


class _WrongType(Exception):
    """`path` grows outwards while the error rises; `owner` is the struct that has the field."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(expected)
        self.expected = expected
        self.value = value
        self.path: list[str] = []
        self.owner = ""


def check_types(api_version: str, kind: str, obj: Obj) -> list[str]:
    """Drop what the kind does not have; the paths of that, as `spec.containers[0].imagee`.

    Raises ApiError 400, in the words of a typed decoder, for the first value of a wrong type.
    """
    name = type_of(api_version, kind)
    if name is None:
        return []
    try:
        return _struct(name)(obj) or []
    except _WrongType as error:
        version = api_version.rpartition("/")[2]
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {_explain(error)}') from None
    except RecursionError:
        raise bad_request(f"{kind} is nested too deeply") from None


def check_metadata(api_version: str, kind: str, obj: Obj) -> list[str]:
    """The same for the metadata of an object whose kind is not in the table."""
    try:
        return [f"metadata.{path}" for path in _struct("ObjectMeta")(obj["metadata"]) or ()]
    except _WrongType as error:
        error.path.insert(0, "metadata")
        version = api_version.rpartition("/")[2]
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {_explain(error)}') from None


def _explain(error: _WrongType) -> str:
    where = f"Go struct field {error.owner}.{'.'.join(error.path)} of type {error.expected}"
    if isinstance(error.value, str) and error.expected in TIMES:
        return f'parsing time "{error.value}" as "2006-01-02T15:04:05Z07:00" failed for {where}'
    shown = _JSON_NAMES.get(type(error.value), "value")
    if shown == "number" and error.expected in _LIMITS:
        shown = f"number {error.value}"
    advice = " (quote the value)" if error.expected == "string" and shown in ("number", "bool") else ""
    return f"json: cannot unmarshal {shown} into {where}{advice}"


@cache
def _struct(name: str) -> Check:
    """The check of a struct type. Its fields are compiled at first use, because types nest in themselves."""
    fields: dict[str, tuple[type | None, Check | None, str]] = {}

    def compile_fields() -> None:
        for field, about in fields_of(name).items():
            fields[field] = (*_check_of(about["t"]), about["t"])

    def check(value: Any) -> Unknown:
        if not fields:
            compile_fields()
        unknown: list[str] = []
        absent: list[str] = []
        for key, item in value.items():
            known = fields.get(key)
            if known is None:
                unknown.append(key)
                absent.append(key)
                continue
            json_type, deeper, type_name = known
            if item is None:
                if type_name not in TIMES or key == "creationTimestamp":
                    absent.append(key)
                continue
            try:
                if json_type is not None and type(item) is not json_type:
                    raise _WrongType(_go_name(type_name), item)
                if deeper is not None and (below := deeper(item)):
                    unknown += _under(key, below)
            except _WrongType as error:
                error.path.insert(0, key)
                error.owner = error.owner or name
                raise
        for key in absent:
            del value[key]
        return unknown

    return check


def _under(key: str, paths: list[str]) -> list[str]:
    return [f"{key}{path}" if path.startswith("[") else f"{key}.{path}" for path in paths]


@cache
def _check_of(type_name: str) -> tuple[type | None, Check | None]:
    """The JSON type a value has to have (None: the check decides) and the check beyond that."""
    if type_name in _SCALARS:
        return _SCALARS[type_name], None
    if type_name in _LIMITS:
        return int, _in_range(type_name)
    if type_name in TIMES:
        return str, _time(type_name)
    if type_name.startswith("map<string,"):
        return dict, _map(type_name[len("map<string,") : -1])
    if type_name.endswith("[]"):
        return list, _list(type_name[:-2])
    if is_struct(type_name):
        return dict, _struct(type_name)
    if type_name == "RawJSON":
        return None, _shallow
    one_of = {"Quantity": (str, int, float), "IntOrString": (str, int), "double": (int, float)}.get(type_name)
    return None, _one_of(type_name, one_of) if one_of else None


def _in_range(type_name: str) -> Check:
    limit = _LIMITS[type_name]

    def check(value: Any) -> Unknown:
        if not -limit <= value < limit:
            raise _WrongType(type_name, value)
        return None

    return check


def _time(type_name: str) -> Check:
    def check(value: Any) -> Unknown:
        if not _TIME.fullmatch(value):
            raise _WrongType(type_name, value)
        return None

    return check


def _one_of(type_name: str, allowed: tuple[type, ...]) -> Check:
    def check(value: Any) -> Unknown:
        if type(value) not in allowed:
            raise _WrongType(type_name, value)
        return None

    return check


MAX_RAW_DEPTH = 200
"""Levels of JSON without a type: fewer than the encoder can write."""


def _shallow(value: Any) -> Unknown:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_RAW_DEPTH:
            raise _WrongType(f"JSON of at most {MAX_RAW_DEPTH} levels", value)
        below = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [inner for items in below for inner in items]
    return None


def _list(item_type: str) -> Check:
    json_type, deeper = _check_of(item_type)

    def check(value: Any) -> Unknown:
        unknown: list[str] = []
        for index, item in enumerate(value):
            if item is None and json_type is not None:
                value[index] = item = json_type()
            if json_type is not None and type(item) is not json_type:
                raise _WrongType(_go_name(item_type), item)
            if deeper is not None and (below := deeper(item)):
                unknown += _under(f"[{index}]", below)
        return unknown

    return check


def _map(item_type: str) -> Check:
    json_type, deeper = _check_of(item_type)

    def check(value: Any) -> Unknown:
        unknown: list[str] = []
        for key, item in value.items():
            if item is None and json_type is not None:
                value[key] = item = json_type()  # replaces a value, so the iteration stays valid
            if json_type is not None and type(item) is not json_type:
                raise _WrongType(_go_name(item_type), item)
            if deeper is not None and (below := deeper(item)):
                unknown += _under(key, below)
        return unknown

    return check


def _go_name(type_name: str) -> str:
    """`[]v1.Container`, `map[string]string`, `v1.PodSpec`, `int32`."""
    if type_name.endswith("[]"):
        return "[]" + _go_name(type_name[:-2])
    if type_name.startswith("map<string,"):
        return f"map[string]{_go_name(type_name[len('map<string,') : -1])}"
    return f"v1.{type_name}" if is_struct(type_name) else type_name
