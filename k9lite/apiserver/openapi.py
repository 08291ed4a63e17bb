"""The OpenAPI documents over HTTP: the list of them, and each by the hash that its address carries.

A document is built when it is first asked for, and kept until what is served changes. Its hash is known before, so
that the list costs nothing; clients keep a document on disk for as long as the list names the same hash.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache

from aiohttp import web

from k9lite.api.errors import unknown_path
from k9lite.api.objects import encode
from k9lite.api.openapi import document, fingerprint
from k9lite.api.resources import Resource
from k9lite.apiserver import discovery

V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V3 = "/openapi/v3"
YEAR = 365 * 24 * 3600


def answer(request: web.BaseRequest, path: str, version: str, served: discovery.Resources) -> web.Response:
    """To /openapi/v2, /openapi/v3 and what is below it. Raises ApiError 404."""
    if path == "/openapi/v2":  # no bytes are an empty document, with which kubectl leaves validation to us
        return web.Response(body=b"", headers={"Content-Type": V2})
    if request.method != "GET":
        raise unknown_path()
    if path == V3:
        groups = [(group, name) for group in ("", *discovery.named_groups(served))
                  for name in discovery.versions_of(served, group)]  # fmt: skip
        listed = {_name(*group): {"serverRelativeURL": _address(served, *group)} for group in groups}
        return web.Response(body=encode({"paths": listed}), headers={"Content-Type": "application/json"})
    return _document(request, path.removeprefix(V3 + "/"), version, served)


def _name(group: str, version: str) -> str:
    """`api/v1`, `apis/apps/v1`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _address(served: discovery.Resources, group: str, version: str) -> str:
    return f"{V3}/{_name(group, version)}?hash={fingerprint(discovery.of(served, group, version))}"


def _document(request: web.BaseRequest, name: str, version: str, served: discovery.Resources) -> web.Response:
    parts = name.split("/")
    group = "/".join(parts[1:-1])
    resources = tuple(discovery.of(served, group, parts[-1]))
    if not resources or _name(group, parts[-1]) != name:
        raise unknown_path()
    current, asked = fingerprint(resources), request.query.get("hash")
    headers = {"Content-Type": "application/json", "ETag": f'"{current}"', "Vary": "Accept"}
    if asked is not None and asked != current:
        return web.Response(status=301, headers={"Location": _address(served, group, parts[-1])})
    if asked is None:
        headers["Cache-Control"] = "no-cache, private"
    else:
        headers |= {"Cache-Control": "public, immutable", "Expires": formatdate(time.time() + YEAR, usegmt=True)}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    return web.Response(body=_encoded(resources, version), headers=headers)


@lru_cache(maxsize=64)
def _encoded(resources: tuple[Resource, ...], version: str) -> bytes:
    return encode(document(resources, version))
