"""The JSON type of every field: what an object may hold before any rule looks at its values.

`kube-types.json` lists the fields of the API's types. Each type is compiled at its first use into a table of
field -> (JSON type, deeper check), so that checking a Pod costs some microseconds. Unknown fields pass.

Null stands for an absent value, as it does to decoders of typed structs: it is dropped where a field is known, save
for times, whose null is written out by clients.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from k9lite.api.errors import bad_request
from k9lite.api.objects import Obj
from k9lite.api.types import TIMES, fields_of, is_struct, type_of

Check = Callable[[Any], None]
"""Changes nulls inside the value in place; raises _WrongType."""

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


def check_types(api_version: str, kind: str, obj: Obj) -> None:
    """Raises ApiError 400, in the words of a typed decoder, for the first value of a wrong type."""
    name = type_of(api_version, kind)
    if name is None:
        return
    try:
        _struct(name)(obj)
    except _WrongType as error:
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

    def check(value: Any) -> None:
        if not fields:
            compile_fields()
        absent: list[str] | None = None
        for key, item in value.items():
            known = fields.get(key)
            if known is None:
                continue
            json_type, deeper, type_name = known
            if item is None:
                if type_name not in TIMES:
                    absent = [*(absent or ()), key]
                continue
            try:
                if json_type is not None and type(item) is not json_type:
                    raise _WrongType(_go_name(type_name), item)
                if deeper is not None:
                    deeper(item)
            except _WrongType as error:
                error.path.insert(0, key)
                error.owner = error.owner or name
                raise
        for key in absent or ():
            del value[key]

    return check


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
    one_of = {"Quantity": (str, int, float), "IntOrString": (str, int), "double": (int, float)}.get(type_name)
    return None, _one_of(type_name, one_of) if one_of else None


def _in_range(type_name: str) -> Check:
    limit = _LIMITS[type_name]

    def check(value: Any) -> None:
        if not -limit <= value < limit:
            raise _WrongType(type_name, value)

    return check


def _time(type_name: str) -> Check:
    def check(value: Any) -> None:
        if not _TIME.fullmatch(value):
            raise _WrongType(type_name, value)

    return check


def _one_of(type_name: str, allowed: tuple[type, ...]) -> Check:
    def check(value: Any) -> None:
        if type(value) not in allowed:
            raise _WrongType(type_name, value)

    return check


def _list(item_type: str) -> Check:
    json_type, deeper = _check_of(item_type)

    def check(value: Any) -> None:
        for index, item in enumerate(value):
            if item is None and json_type is not None:
                value[index] = item = json_type()
            if json_type is not None and type(item) is not json_type:
                raise _WrongType(_go_name(item_type), item)
            if deeper is not None:
                deeper(item)

    return check


def _map(item_type: str) -> Check:
    json_type, deeper = _check_of(item_type)

    def check(value: Any) -> None:
        for key, item in value.items():
            if item is None and json_type is not None:
                value[key] = item = json_type()  # replaces a value, so the iteration stays valid
            if json_type is not None and type(item) is not json_type:
                raise _WrongType(_go_name(item_type), item)
            if deeper is not None:
                deeper(item)

    return check


def _go_name(type_name: str) -> str:
    """`[]v1.Container`, `map[string]string`, `v1.PodSpec`, `int32`."""
    if type_name.endswith("[]"):
        return "[]" + _go_name(type_name[:-2])
    if type_name.startswith("map<string,"):
        return f"map[string]{_go_name(type_name[len('map<string,') : -1])}"
    return f"v1.{type_name}" if is_struct(type_name) else type_name
