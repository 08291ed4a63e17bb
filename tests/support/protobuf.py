"""Objects as protobuf bodies, as Go's clients write them: the other direction of k9lite.api.protobuf, for its tests.

Written from the field table alone, with nothing of the decoder: zeros of fields that are no pointers are written.
"""

from __future__ import annotations

import base64
import json
import struct
from datetime import datetime
from typing import Any

from k9lite.api.objects import Obj
from k9lite.api.types import fields_of, is_struct, type_of


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def tagged(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def encode_body(obj: Obj) -> bytes:
    type_name = type_of(obj["apiVersion"], obj["kind"])
    assert type_name
    about = tagged(1, obj["apiVersion"].encode()) + tagged(2, obj["kind"].encode())
    message = tagged(2, struct_of(type_name, obj)) + tagged(3, b"") + tagged(4, b"")
    return b"k8s\x00" + tagged(1, about) + message


def struct_of(type_name: str, obj: Obj) -> bytes:
    out, inlined = bytearray(), dict[int, bytearray]()
    for name, about in fields_of(type_name).items():
        if "n" not in about:
            continue
        where = inlined.setdefault(about["i"], bytearray()) if "i" in about else out
        where += field_of(about, name in obj, obj.get(name))
    for number, data in inlined.items():
        out += tagged(number, bytes(data))
    return bytes(out)


def field_of(about: dict[str, Any], present: bool, value: Any) -> bytes:
    number, type_name = about["n"], about["t"]
    if type_name.endswith("[]"):
        return b"".join(single(number, type_name[:-2], item) for item in value or ())
    if type_name.startswith("map<string,"):
        item_type = type_name[11:-1]
        return b"".join(
            tagged(number, tagged(1, key.encode()) + single(2, item_type, item)) for key, item in (value or {}).items()
        )
    if not present:
        return b"" if about.get("p") else single(number, type_name, zero_of(type_name))
    return single(number, type_name, value)


def zero_of(type_name: str) -> Any:
    zeros = {"string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0, "double": 0.0, "Duration": "0s",
             "IntOrString": 0, "Time": None, "MicroTime": None, "RawJSON": None}  # fmt: skip
    return {} if is_struct(type_name) else zeros[type_name]


def single(number: int, type_name: str, value: Any) -> bytes:
    """A tag and its value."""
    if type_name in ("int32", "int64", "bool"):
        return number_field(number, int(value))
    if type_name == "double":
        return varint(number << 3 | 1) + struct.pack("<d", value)
    return tagged(number, content(type_name, value))


def content(type_name: str, value: Any) -> bytes:
    if is_struct(type_name):
        return struct_of(type_name, value)
    if type_name == "string":
        return bytes(value.encode())
    if type_name == "bytes":
        return base64.b64decode(value)
    if type_name in ("Time", "MicroTime"):
        return moment(value)
    if type_name == "Duration":
        return number_field(1, round(float(value[:-1]) * 1e9))
    if type_name == "Quantity":
        return tagged(1, value.encode())
    if type_name == "IntOrString":
        is_text = isinstance(value, str)
        text = value.encode() if is_text else b""
        return number_field(1, is_text) + number_field(2, 0 if is_text else value) + tagged(3, text)
    if type_name == "RawJSON":
        return b"" if value is None else tagged(1, json.dumps(value).encode())
    if type_name == "StringList":
        return b"".join(tagged(1, item.encode()) for item in value)
    return either(type_name, value)


def either(type_name: str, value: Any) -> bytes:
    """JSONSchemaPropsOrBool and its like."""
    if isinstance(value, dict):
        return tagged(2 if type_name == "SchemaOrBool" else 1, struct_of("JSONSchemaProps", value))
    if type_name == "SchemaOrBool":
        return number_field(1, value)
    return b"".join(
        tagged(2, item.encode() if isinstance(item, str) else struct_of("JSONSchemaProps", item)) for item in value
    )


def moment(value: str | None) -> bytes:
    if value is None:
        return b""
    parsed = datetime.fromisoformat(value)
    return number_field(1, int(parsed.timestamp() // 1)) + number_field(2, parsed.microsecond * 1000)
