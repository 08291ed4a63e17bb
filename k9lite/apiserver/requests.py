"""Reading requests: which object a path names, what kind of answer is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from k9lite.api import protobuf
from k9lite.api.errors import ApiError, bad_request, unknown_path
from k9lite.api.resources import Resource
from k9lite.registry.served import Served


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource path names. `namespace` is None for all namespaces, "" for cluster-scoped resources."""

    resource: Resource
    namespace: str | None
    name: str = ""
    subresource: str = ""


def target_of(path: str, served: Served) -> Target:
    """From `/api/v1/...` or `/apis/GROUP/VERSION/...`. Raises ApiError 404."""
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise unknown_path()
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = served.by_path(group, version, rest[0]) if rest else None
    if resource is None or len(rest) > 3 or (namespace is not None and not resource.namespaced):
        raise unknown_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise unknown_path()
    if name and resource.namespaced and namespace is None:
        raise unknown_path()
    return Target(resource, namespace if resource.namespaced else "", name, subresource)


PLAIN, TABLE, PARTIAL = "", "Table", "PartialObjectMetadata"
_JSON = ("application/json", "application/*", "*/*", "", protobuf.MEDIA_TYPE)


def form_of(accept: str) -> str:
    """The form of an answer: PLAIN, TABLE or PARTIAL, by the first acceptable clause that can be served.

    Who accepts protobuf gets JSON: every client that asks for protobuf looks at the answer's own Content-Type.
    Raises ApiError 406.
    """
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        asked = dict(part.partition("=")[::2] for part in parameters if "=" in part)
        kind = asked.get("as", "").removesuffix("List")
        if media.lower() not in _JSON or asked.get("q") == "0":
            continue
        if not kind:
            return PLAIN
        if kind in (TABLE, PARTIAL) and (asked.get("g"), asked.get("v")) == ("meta.k8s.io", "v1"):
            return kind
    raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json, "
                   "application/json;as=Table;v=v1;g=meta.k8s.io, "
                   "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")  # fmt: skip


def is_true(query: Mapping[str, str], key: str) -> bool:
    return query.get(key, "").lower() in ("1", "true", "t")


def whole_number(query: Mapping[str, str], key: str) -> int | None:
    """The value of a numeric option, not below 0; None if absent or empty. Raises ApiError 400."""
    text = query.get(key, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise bad_request(f'{key}: Invalid value: "{text}": must be a whole number, 0 or greater')
    return int(text)
