"""Whether a value is what its schema asks for, in the words of upstream's validator.

Source: k8s.io/kube-openapi/pkg/validation/validate, whose errors k8s.io/apiextensions-apiserver turns into causes.
CEL rules (x-kubernetes-validations) are not evaluated; the definition's conditions say so.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from k9lite.api.custom.structural import EMBEDDED, INT_OR_STRING, Schema
from k9lite.api.errors import Cause
from k9lite.api.validation import duplicate, required, unsupported, wrong

_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DURATION = re.compile(r"[+-]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+|0")
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_GO_CLASSES = ((r"\z", r"\Z"), ("[:alnum:]", "0-9A-Za-z"), ("[:alpha:]", "A-Za-z"), ("[:digit:]", "0-9"),
               ("[:lower:]", "a-z"), ("[:upper:]", "A-Z"), ("[:xdigit:]", "0-9A-Fa-f"), ("[:space:]", r"\s"))  # fmt: skip
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def check(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Every way in which the value is not what the schema asks for."""
    if value is None and schema.get("nullable"):
        return []
    causes = _of_type(value, schema, path)
    if causes:
        return causes
    causes = _enum(value, schema, path)
    if isinstance(value, str):
        causes += _string(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        causes += _number(value, schema, path)
    elif isinstance(value, list):
        causes += _array(value, schema, path)
    elif isinstance(value, dict):
        causes += _object(value, schema, path)
    return causes + _combined(value, schema, path)


def _of_type(value: Any, schema: Schema, path: str) -> list[Cause]:
    expected = schema.get("type")
    if schema.get(INT_OR_STRING):
        allowed: tuple[str, ...] = ("integer", "string")
    elif expected:
        allowed = (expected,)
    else:
        return []
    actual = _JSON_TYPES.get(type(value), "null")
    if actual in allowed or (actual == "integer" and "number" in allowed):
        return []
    if isinstance(value, float) and value.is_integer() and "integer" in allowed:
        return []
    return [wrong(path, actual, f'{path} in body must be of type {",".join(allowed)}: "{actual}"')]


def _enum(value: Any, schema: Schema, path: str) -> list[Cause]:
    choices = schema.get("enum")
    if not choices or any(value == choice and type(value) is type(choice) for choice in choices):
        return []
    shown = tuple(choice if isinstance(choice, str) else orjson.dumps(choice).decode() for choice in choices)
    return [unsupported(path, value, shown)]


# Scalars ---------------------------------------------------------------------------------------------
@lru_cache(maxsize=1024)
def pattern_of(text: str) -> re.Pattern[str]:
    """A pattern in Go's dialect. Raises re.error."""
    for go, python in _GO_CLASSES:
        text = text.replace(go, python)
    return re.compile(text)


def _string(value: str, schema: Schema, path: str) -> list[Cause]:
    causes = []
    length = len(value)
    if (most := schema.get("maxLength")) is not None and length > most:
        causes.append(Cause(path, "FieldValueTooLong", f"Too long: may not be more than {most} bytes"))
    if (least := schema.get("minLength")) is not None and length < least:
        causes.append(wrong(path, value, f"{path} in body should be at least {least} chars long"))
    if (text := schema.get("pattern")) and not pattern_of(text).search(value):
        causes.append(wrong(path, value, f"{path} in body should match '{text}'"))
    is_of_format = FORMATS.get(schema.get("format") or "")
    if is_of_format and not is_of_format(value):
        causes.append(wrong(path, value, f'{path} in body must be of type {schema["format"]}: "{value}"'))
    return causes


def _number(value: float, schema: Schema, path: str) -> list[Cause]:
    causes = []
    most, least, factor = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        how = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        causes.append(wrong(path, value, f"{path} in body should be {how} {_go(most)}"))
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        how = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        causes.append(wrong(path, value, f"{path} in body should be {how} {_go(least)}"))
    if factor and abs(value / factor - round(value / factor)) > 1e-9:
        causes.append(wrong(path, value, f"{path} in body should be a multiple of {_go(factor)}"))
    bits = {"int32": 31, "int64": 63}.get(schema.get("format") or "")
    if bits and not -(1 << bits) <= value < 1 << bits:
        causes.append(wrong(path, value, f'{path} in body must be of type {schema["format"]}: "{_go(value)}"'))
    return causes


def _go(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            parse(value)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _matches(_DATE_TIME),
    "date": _parses(date.fromisoformat),
    "duration": _matches(_DURATION),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(lambda value: ipaddress.ip_network(value, strict=False)),
    "byte": _parses(lambda value: base64.b64decode(value, validate=True)),
    "uuid": _matches(_UUID),
    "email": _matches(_EMAIL),
}
"""The formats that are checked; others say nothing, as upstream has it."""


# Containers ------------------------------------------------------------------------------------------
def _array(value: list[Any], schema: Schema, path: str) -> list[Cause]:
    causes = _count(len(value), schema, path, "Items", "items")
    items = schema.get("items")
    if isinstance(items, dict):
        for index, item in enumerate(value):
            causes += check(item, items, f"{path}[{index}]")
    return causes + _repeated(value, schema, path)


def _repeated(value: list[Any], schema: Schema, path: str) -> list[Cause]:
    """Items of a set, or keys of a map, that came before."""
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    if kind not in ("set", "map"):
        return []
    causes, seen = [], set()
    for index, item in enumerate(value):
        what = {key: item.get(key) for key in keys} if kind == "map" and isinstance(item, dict) else item
        identity = orjson.dumps(what, option=orjson.OPT_SORT_KEYS)
        if identity in seen:
            causes.append(duplicate(f"{path}[{index}]", what))
        seen.add(identity)
    return causes


def _object(value: dict[str, Any], schema: Schema, path: str) -> list[Cause]:
    causes = _count(len(value), schema, path, "Properties", "properties")
    under = f"{path}." if path else ""
    causes += [required(under + key) for key in schema.get("required") or () if key not in value]
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    if schema.get(EMBEDDED):
        causes += [required(under + key, "must not be empty") for key in ("apiVersion", "kind") if not value.get(key)]
    for key, item in value.items():
        if key in properties:
            causes += check(item, properties[key], under + key)
        elif isinstance(others, dict):
            causes += check(item, others, under + key)
    return causes


def _count(number: int, schema: Schema, path: str, what: str, noun: str) -> list[Cause]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if most is not None and number > most:
        return [Cause(path, "FieldValueTooMany", f"Too many: {number}: must have at most {most} items")]
    if least is not None and number < least:
        return [wrong(path, number, f"{path} in body should have at least {least} {noun}")]
    return []


def _combined(value: Any, schema: Schema, path: str) -> list[Cause]:
    """allOf, anyOf, oneOf and not."""
    causes = [cause for part in schema.get("allOf") or () for cause in check(value, part, path)]
    shown = f'"{path}"'
    if (some := schema.get("anyOf")) and all(check(value, part, path) for part in some):
        causes.append(wrong(path, "", f"{shown} must validate at least one schema (anyOf)"))
    if one := schema.get("oneOf"):
        valid = sum(not check(value, part, path) for part in one)
        if valid != 1:
            found = "none valid" if not valid else f"{valid} valid alternatives"
            causes.append(wrong(path, "", f"{shown} must validate one and only one schema (oneOf). Found {found}"))
    if (never := schema.get("not")) is not None and not check(value, never, path):
        causes.append(wrong(path, "", f"{shown} must not validate the schema (not)"))
    return causes
