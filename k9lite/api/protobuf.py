"""Kubernetes' protobuf bodies as the same plain JSON that every other body becomes. Pure, and for reading only.

A body is `k8s\\0` and an envelope {1 type {1 apiVersion, 2 kind}, 2 message}; the message's fields come from the field
table. Go writes the zero of every field that is no pointer, so such a zero stands for an absent field and is dropped;
a pointer is on the wire only when it was set, so its zero is kept.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf and the encoding rules of Protocol Buffers.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from k9lite.api.errors import ApiError, bad_request
from k9lite.api.objects import Obj
from k9lite.api.types import MAP, fields_of, is_struct, item_of, type_of

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAX_DEPTH = 100
"""Messages inside messages, as protobuf's own decoders allow."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_ZERO = object()

Wire = int | bytes
Parse = Callable[[Wire, int], Any]
"""(what the wire has, depth) -> JSON. Raises _Malformed."""


class _Malformed(Exception):
    """What is wrong with the bytes, for people."""


def decode_body(body: bytes) -> Obj:
    """The object in a body. Raises ApiError 400 if it is malformed, 415 if its kind has no known fields."""
    if not body.startswith(MAGIC):
        raise bad_request(f"provided data does not appear to be a protobuf message, expected prefix {list(MAGIC)}")
    try:
        envelope = _last(body[len(MAGIC) :])
        about = _last(_bytes(envelope.get(1, b"")))
        api_version, kind = _text(about.get(1, b""), 0), _text(about.get(2, b""), 0)
        type_name = type_of(api_version, kind)
        if type_name is None:
            raise ApiError(415, "UnsupportedMediaType",
                           f'no fields are known of kind "{kind}" in version "{api_version}", so it cannot be read as '
                           "protobuf: send it as application/json")  # fmt: skip
        message = _bytes(envelope.get(2, b""))
        return {"apiVersion": api_version, "kind": kind, **_message(type_name)(message, 1)}
    except _Malformed as error:
        raise bad_request(f"the request body is not valid protobuf: {error}") from None


# The wire ---------------------------------------------------------------------------------------------
def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(an unsigned number of at most 64 bits, where it ends)."""
    value = shift = 0
    for byte in data[at : at + 10]:
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise _Malformed("a number is cut off or longer than 64 bits")


def _scan(data: bytes) -> Iterator[tuple[int, int, Wire]]:
    """(field number, wire type, value) of each field of a message."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise _Malformed(f"illegal field number {number}")
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _Malformed(f"illegal wire type {wire}")
        if size > end - at:
            raise _Malformed(f"unexpected end: {size} bytes announced, {end - at} there")
        yield number, wire, data[at : at + size]
        at += size


def _last(data: bytes) -> dict[int, Wire]:
    """The last value of each field number."""
    return {number: value for number, _, value in _scan(data)}


# Scalars and specials ---------------------------------------------------------------------------------
def _bytes(value: Wire) -> bytes:
    if not isinstance(value, bytes):
        raise _Malformed("a number where bytes belong")
    return value


def _number(value: Wire) -> int:
    if not isinstance(value, int):
        raise _Malformed("bytes where a number belongs")
    return value


def _text(value: Wire, _: int) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise _Malformed(f"a string is not UTF-8: {error}") from None


def _base64(value: Wire, _: int) -> str:
    return base64.b64encode(_bytes(value)).decode()


def _bool(value: Wire, _: int) -> bool:
    return _number(value) != 0


def _signed(value: Wire, bits: int) -> int:
    number = _number(value) & ((1 << bits) - 1)
    return number - (1 << bits) if number >> (bits - 1) else number


def _int32(value: Wire, _: int) -> int:
    return _signed(value, 32)


def _int64(value: Wire, _: int) -> int:
    return _signed(value, 64)


def _double(value: Wire, _: int) -> float:
    data = _bytes(value)
    if len(data) != 8:
        raise _Malformed("a double that is not 8 bytes long")
    number: float = struct.unpack("<d", data)[0]
    if not math.isfinite(number):
        raise _Malformed("a number that JSON cannot say")
    return number


def _moment(value: Wire) -> tuple[datetime, int] | None:
    """(the second, microseconds in it) of {1 seconds, 2 nanoseconds}; None for an empty message."""
    parts = _last(_bytes(value))
    if not parts:
        return None
    nanos = _signed(parts.get(2, 0), 32)
    try:
        moment = _EPOCH + timedelta(seconds=_signed(parts.get(1, 0), 64))
    except OverflowError:
        raise _Malformed("a time outside the years 1 to 9999") from None
    if not 0 <= nanos < 1_000_000_000:
        raise _Malformed("a time with more nanoseconds than a second has")
    return moment, nanos // 1000


def _time(value: Wire, _: int) -> str | None:
    moment = _moment(value)
    return moment[0].isoformat().replace("+00:00", "Z") if moment else None


def _micro_time(value: Wire, _: int) -> str | None:
    moment = _moment(value)
    return moment[0].isoformat().replace("+00:00", f".{moment[1]:06}Z") if moment else None


def _duration(value: Wire, _: int) -> str:
    """As Go writes it, in one unit: `15s`, `0.25s`."""
    nanos = _signed(_last(_bytes(value)).get(1, 0), 64)
    whole, rest = divmod(abs(nanos), 1_000_000_000)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{'-' if nanos < 0 else ''}{whole}{fraction}s"


def _quantity(value: Wire, depth: int) -> str:
    return _text(_last(_bytes(value)).get(1, b""), depth) or "0"


def _int_or_string(value: Wire, depth: int) -> int | str:
    parts = _last(_bytes(value))
    if _number(parts.get(1, 0)) == 1:
        return _text(parts.get(3, b""), depth)
    return _signed(parts.get(2, 0), 32)


def _raw_json(value: Wire, _: int) -> Any:
    data = _bytes(_last(_bytes(value)).get(1, b""))
    try:
        return orjson.loads(data) if data else None
    except orjson.JSONDecodeError as error:
        raise _Malformed(f"embedded JSON is not valid: {error}") from None


def _string_list(value: Wire, depth: int) -> list[str]:
    return [_text(item, depth) for number, _, item in _scan(_bytes(value)) if number == 1]


def _schema(value: Wire, depth: int) -> Obj:
    schema: Obj = _message("JSONSchemaProps")(value, depth + 1)
    return schema


def _schema_or(other: Parse, *, repeated: bool, schema_number: int) -> Parse:
    """JSONSchemaPropsOrBool, -OrArray and -OrStringArray: a schema if there is one, else the other."""

    def parse(value: Wire, depth: int) -> Any:
        others: list[Any] = []
        for number, _, item in _scan(_bytes(value)):
            if number == schema_number:
                return _schema(item, depth)
            others.append(other(item, depth + 1))
        return others if repeated else bool(others and others[-1])

    return parse


_PARSERS: dict[str, Parse] = {
    "string": _text, "bytes": _base64, "bool": _bool, "int32": _int32, "int64": _int64, "double": _double,
    "Time": _time, "MicroTime": _micro_time, "Duration": _duration, "Quantity": _quantity,
    "IntOrString": _int_or_string, "RawJSON": _raw_json, "StringList": _string_list,
    "SchemaOrBool": _schema_or(_bool, repeated=False, schema_number=2),
    "SchemaOrList": _schema_or(_schema, repeated=True, schema_number=1),
    "SchemaOrStrings": _schema_or(_text, repeated=True, schema_number=1),
}  # fmt: skip
_ZEROS: dict[str, Any] = {
    "string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0, "double": 0.0, "Time": None, "MicroTime": None,
    "Duration": "0s", "IntOrString": 0, "RawJSON": None,
}  # fmt: skip
_WIRES = {"bool": _VARINT, "int32": _VARINT, "int64": _VARINT, "double": _FIXED64}
_ABSENT: dict[int, Wire] = {_VARINT: 0, _FIXED64: bytes(8)}
"""What stands on the wire for the value that a map's entry leaves out; else no bytes."""


# Messages ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    parse: Parse
    shape: str
    """one, list, map"""
    zero: Any
    absent: Wire
    wire: int

    def put(self, out: Obj, wire: int, value: Wire, depth: int) -> None:
        packed = self.shape == "list" and self.wire == _VARINT and wire == _BYTES
        if wire != (_BYTES if self.shape == "map" else self.wire) and not packed:
            raise _Malformed(f"wrong wire type {wire} for field {self.name}")
        if self.shape == "list":
            numbers: Iterator[Wire] = _packed(_bytes(value)) if packed else iter((value,))
            out.setdefault(self.name, []).extend(self.parse(number, depth) for number in numbers)
        elif self.shape == "map":
            entry = _last(_bytes(value))
            key = _text(entry.get(1, b""), depth)
            out.setdefault(self.name, {})[key] = self.parse(entry.get(2, self.absent), depth)
        else:
            parsed = self.parse(value, depth)
            if parsed == self.zero:
                out.pop(self.name, None)
            else:
                out[self.name] = parsed


def _packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = _varint(data, at)
        yield number


@dataclass(slots=True)
class _Fields:
    """What a message's numbers mean. `inlined` messages are read into the object that has them."""

    plain: dict[int, _Field] = field(default_factory=dict)
    inlined: dict[int, _Fields] = field(default_factory=dict)

    def read(self, value: Wire, out: Obj, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Malformed(f"more than {MAX_DEPTH} messages inside each other")
        for number, wire, item in _scan(_bytes(value)):
            known = self.plain.get(number)
            if known is not None:
                known.put(out, wire, item, depth)
            elif number in self.inlined:
                self.inlined[number].read(item, out, depth + 1)


def _field(name: str, about: dict[str, Any]) -> _Field:
    type_name: str = about["t"]
    shape = "list" if type_name.endswith("[]") else "map" if type_name.startswith(MAP) else "one"
    single = item_of(type_name) or type_name
    parse = _message(single) if is_struct(single) else _PARSERS[single]
    zero = _NO_ZERO if about.get("p") else {} if is_struct(single) else _ZEROS.get(single, _NO_ZERO)
    wire = _WIRES.get(single, _BYTES)
    return _Field(name, parse, shape, zero, _ABSENT.get(wire, b""), wire)


@cache
def _fields(type_name: str) -> _Fields:
    fields = _Fields()
    for name, about in fields_of(type_name).items():
        if "n" in about:
            where = fields.inlined.setdefault(about["i"], _Fields()) if "i" in about else fields
            where.plain[about["n"]] = _field(name, about)
    return fields


@cache
def _message(type_name: str) -> Parse:
    """The parser of a struct. Its fields are looked up at use, because types nest in themselves."""

    def parse(value: Wire, depth: int) -> Obj:
        out: Obj = {}
        _fields(type_name).read(value, out, depth + 1)
        return out

    return parse
