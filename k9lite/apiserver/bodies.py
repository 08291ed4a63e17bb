"""Reading bodies: JSON, YAML and protobuf become the same plain values."""

from __future__ import annotations

from typing import Any

import orjson

from k9lite.api import protobuf
from k9lite.api.duplicates import json_duplicates, yaml_duplicates, yaml_loader
from k9lite.api.errors import bad_request, unsupported_media_type
from k9lite.api.patch import APPLY

JSON, YAML = "application/json", "application/yaml"
_KINDS = {JSON: JSON, YAML: YAML, "text/yaml": YAML, protobuf.MEDIA_TYPE: protobuf.MEDIA_TYPE}
_UNNAMED = ("", "application/octet-stream")
MAX_VALUES = 1_000_000
"""In a YAML body with aliases."""
MAX_DEPTH = 200
"""Opening brackets that cannot be too deep for the encoder, however they nest."""


def parse_body(content_type: str, body: bytes) -> Any:
    """The value in a body of JSON, YAML or protobuf; sniffed where the type is absent. Raises ApiError 400 or 415."""
    kind = _kind_of(content_type, body)
    if kind is None:
        raise unsupported_media_type((JSON, YAML, protobuf.MEDIA_TYPE))
    if kind == protobuf.MEDIA_TYPE:
        return protobuf.decode_body(body)
    if kind == YAML:
        return _parse_yaml(body)
    return _parse_json(body, "the request body is not valid JSON")


def _parse_json(body: bytes, complaint: str) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"{complaint}: {error}") from error
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        try:
            orjson.dumps(value)
        except TypeError:  # the encoder writes fewer levels than the decoder reads
            raise bad_request(f"{complaint}: it is nested too deeply") from None
    return value


def _kind_of(content_type: str, body: bytes) -> str | None:
    """JSON, YAML or protobuf's media type; None for any other."""
    named = content_type.partition(";")[0].strip().lower()
    return _sniffed(body) if named in _UNNAMED else _KINDS.get(named)


def duplicates_in(content_type: str, body: bytes, parsed: Any) -> list[str]:
    """The paths of keys that a body of JSON or YAML, parsed already, has more than once in one object."""
    kind = _sniffed(body) if content_type == APPLY else _kind_of(content_type, body)
    if kind == YAML:
        return yaml_duplicates(body)
    return json_duplicates(body, parsed) if kind == JSON else []


def parse_patch(kind: str, body: bytes) -> Any:
    """A patch as its value; None for types that are no patch, which are refused later. Raises ApiError 400."""
    if kind == APPLY and _sniffed(body) == YAML:
        return _parse_yaml(body)
    return _parse_json(body, "error decoding patch") if kind == APPLY or kind.endswith("+json") else None


def _sniffed(body: bytes) -> str:
    if body.startswith(protobuf.MAGIC):
        return protobuf.MEDIA_TYPE
    return JSON if body.lstrip().startswith((b"{", b"[")) else YAML


def _parse_yaml(body: bytes) -> Any:
    import yaml

    try:
        value = yaml.load(body, yaml_loader())
        if b"*" in body and _values_in(value, {}) > MAX_VALUES:
            raise ValueError("its aliases stand for too much")
        return orjson.loads(orjson.dumps(value))  # only what JSON can say
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, TypeError, ValueError) as error:
        raise bad_request(f"the request body is not valid YAML: {error}") from error


def _values_in(value: Any, known: dict[int, int]) -> int:
    """How many values there are when each alias is written out: a few hundred bytes may stand for gigabytes."""
    if not isinstance(value, dict | list):
        return 1
    if (count := known.get(id(value))) is None:
        items = value.values() if isinstance(value, dict) else value
        count = known[id(value)] = 1 + sum(_values_in(item, known) for item in items)
    return count
