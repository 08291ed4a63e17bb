"""Requests that nobody sends on purpose: every answer is a Status or an object, none a failure of the server's own.

paths      every resource and subresource, and names, namespaces and segments that are none
queries    every option, with values of every kind
bodies     objects bent in one place, any JSON, YAML, cut and random bytes, protobuf that lies
"""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
from yarl import URL

from k9lite.api.catalog import SERVED
from k9lite.api.patch import STRATEGIC
from k9lite.api.resources import Resource
from k9lite.api.types import fields_of, is_struct, item_of, type_of
from k9lite.apiserver.discovery import SUBRESOURCE_VERBS
from tests.apiserver.http import MERGE, Http, pod, service
from tests.support.definitions import DEFINITIONS, crontab, definition
from tests.support.objects import deployment
from tests.support.server import running_server

REQUESTS = 250
NAMES = (
    "a",
    "b",
    "web",
    "kubernetes",
    "default",
    "Bad_Name",
    "..",
    "%00",
    "%2e%2e",
    "%ff",
    "%C3%A9",
    "x" * 300,
    "-",
    "status",
)
SPACES = ("default", "other", "absent", "Bad", "%20", "kube-system")
METHODS = ("GET", "GET", "POST", "POST", "PUT", "PATCH", "PATCH", "DELETE", "HEAD", "OPTIONS")
TYPES = (
    "application/json", "application/json", "application/json; charset=utf-8", "application/yaml", "text/plain", "",
    "application/vnd.kubernetes.protobuf", "application/merge-patch+json", "application/json-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml", ";;;", "application/octet-stream",
)  # fmt: skip
ACCEPTS = (
    "*/*", "application/json", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml", ";=;q", "",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf",
)  # fmt: skip
OPTIONS = (
    "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "dryRun",
    "fieldManager", "fieldValidation", "force", "gracePeriodSeconds", "propagationPolicy", "orphanDependents",
    "includeObject", "sendInitialEvents", "allowWatchBookmarks", "container", "tailLines", "pretty", "timeout",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "5", "99999999999999999999", "true", "All", "x", "a=b", "a in (b", "!", "=", ",", "metadata.name=a",
    "Exact", "NotOlderThan", "Strict", "Warn", "Ignore", "Orphan", "Foreground", "Object", "None", "é\x00", "W10=",
    "WzEsImEiLCJiIl0=", "eyJhIjoxfQ==", "[]", "x" * 2000, "metadata.name", "1.5", "1e3", "NaN", "٣",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 31, 1 << 63, 1 << 80, 1.5, -0.0, "", "x", "Bad_Name", "\x00", "é" * 300, [], {}, [None], [[]],
    {"": ""}, {"a": {"b": {}}}, [1, "a", {}], "2024-01-01T00:00:00Z", "10%", "500m", "1Gi", ["a", "a"], {"x": None},
    {"$patch": "delete"}, {"$patch": "nonsense"}, [{"$patch": "replace"}], [{"name": "c"}, {"name": "c"}], {"x": ["y"]},
)  # fmt: skip


def seeds() -> list[dict[str, Any]]:
    configured = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    budget = {"metadata": {"name": "a"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "x"}, "gracePeriodSeconds": 1}
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "a"}, "spec": {"replicas": 1}}
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "a"}, "deleteOptions": {}}
    return [
        pod("a", app="x"), service("a", labels={"a": "b"}, annotations={"a": "b"}, finalizers=["a.b/c"]),
        deployment("web", replicas=1), configured, budget, options, scale, eviction, crontab("a"), definition(),
        {"target": {"name": "n"}}, {"status": {"phase": "Running"}}, {"spec": {"finalizers": []}},
        {"metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"}]}},
    ]  # fmt: skip


SCALARS: dict[str, tuple[Any, ...]] = {
    "string": ("a", "", "x/y", "Always", "http", "TCP", "a=b", "Bad_Name", "kubernetes.io/x"),
    "bool": (True, False), "int32": (0, 1, -1, 80, 31000, 70000), "int64": (0, 1, 30), "double": (0.5, 1),
    "bytes": ("aGk=", "?"), "Time": ("2024-01-01T00:00:00Z", None), "MicroTime": ("2024-01-01T00:00:00.000000Z",),
    "Duration": ("15s",), "Quantity": ("1", "500m", "1Gi", "x", "-1"), "IntOrString": (1, "25%", "http", 0),
}  # fmt: skip


def typed(type_name: str, chance: random.Random, depth: int = 0) -> Any:
    """A value as the field table has it, with something odd in it now and then."""
    if chance.random() < 0.01:
        return odd(chance)
    if (item := item_of(type_name)) is not None:
        few = range(chance.randrange(3) if depth < 7 else 0)
        return (
            [typed(item, chance, depth + 1) for _ in few]
            if type_name.endswith("[]")
            else {chance.choice(("a", "cpu", "memory", "x/y", "")): typed(item, chance, depth + 1) for _ in few}
        )
    if not is_struct(type_name):
        return chance.choice(SCALARS.get(type_name, ODD))
    likely = 0.7 if depth < 3 else 0.35 if depth < 8 else 0.0
    return {
        key: typed(about["t"], chance, depth + 1)
        for key, about in fields_of(type_name).items()
        if (about.get("r") or chance.random() < likely) and depth < 12
    }


def whole(resource: Resource, chance: random.Random) -> dict[str, Any]:
    """An object of a kind, with a name that can be."""
    type_name = type_of(resource.api_version, resource.kind)
    obj = typed(type_name, chance) if type_name else {}
    obj = obj if isinstance(obj, dict) else {}
    metadata = {"name": chance.choice(("a", "b", "web")), "labels": {"app": "x"}}
    return obj | {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def bend(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it replaced, added or taken away."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        changed = dict(value)
        match chance.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[chance.choice(("spec", "status", "metadata", "kind", "apiVersion", "x", "name", ""))] = odd(
                    chance
                )
            case _:
                changed[key] = bend(value[key], chance)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.7:
        index = chance.randrange(len(value))
        return [*value[:index], bend(value[index], chance), *value[index + 1 :]]
    return odd(chance)


def odd(chance: random.Random) -> Any:
    return chance.choice(ODD)


def encoded(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # numbers that only others write
        import json

        return json.dumps(value).encode()


def body_of(chance: random.Random) -> bytes | None:
    match chance.randrange(12):
        case 0:
            return None
        case 1:
            return chance.randbytes(chance.randrange(60))
        case 2:
            return b"k8s\x00" + chance.randbytes(chance.randrange(80))
        case 3:
            return b"[" * 5000
        case 4:
            return b"a: &a [*a]\n- " + chance.randbytes(5)
        case 5:
            op = {"op": chance.choice(("add", "remove", "replace", "move", "copy", "test", "x")),
                  "path": chance.choice(("/spec", "", "/metadata/labels/a", "/spec/-", "x", "/metadata/uid", "/spec/ports/9")),
                  "from": chance.choice(("/spec", "/metadata", "x")), "value": odd(chance)}  # fmt: skip
            return encoded([op, *([bend(op, chance)] * chance.randrange(2))])
        case 6:
            return encoded(odd(chance))
    value = chance.choice(seeds())
    for _ in range(chance.randrange(4)):
        value = bend(value, chance)
    whole = encoded(value)
    return whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.1 else whole


def path_of(chance: random.Random) -> str:
    resource = chance.choice(SERVED)
    group = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    plural = resource.plural
    if chance.random() < 0.1:
        group, plural = "/apis/stable.example.com/v1", "crontabs"
    parts = [group]
    if chance.random() < 0.85:
        parts += ["namespaces", chance.choice(SPACES)]
    parts.append(plural if chance.random() < 0.95 else chance.choice(NAMES))
    if chance.random() < 0.7:
        parts.append(chance.choice(NAMES))
        if chance.random() < 0.35:
            parts.append(chance.choice((*SUBRESOURCE_VERBS, "nonsense", "")))
    path = "/".join(parts)
    if chance.random() < 0.03:
        path = chance.choice(
            ("/", "//", "/api", "/apis/", "/apis/x", "/openapi/v3/x", "/openapi/v2", "/k9lite/v1/x", "/api/v1//")
        )
    keys = chance.sample(OPTIONS, chance.randrange(4))
    return f"{path}?{urlencode({key: chance.choice(VALUES) for key in keys})}"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.timeout(120)
async def test_no_request_breaks_the_server(http: Http, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """503 is what asks for a node, which this server has none of; 504 a version that is yet to come."""
    chance = random.Random(seed)
    await http.create(DEFINITIONS, definition())
    await http.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
    url = URL(http.url)
    with caplog.at_level(logging.WARNING):
        for _ in range(REQUESTS):
            method, path, body = chance.choice(METHODS), path_of(chance), body_of(chance)
            headers = {"Accept": chance.choice(ACCEPTS), "Content-Type": chance.choice(TYPES)}
            if chance.random() < 0.5:  # one that could be right
                resource = chance.choice(SERVED)
                obj = whole(resource, chance)
                method = chance.choice(("POST", "POST", "PUT", "PATCH"))
                name = obj["metadata"]["name"] if method != "POST" else None
                path = resource.path("default" if resource.namespaced else None, name)
                body = encoded(obj)
                headers = {
                    "Content-Type": chance.choice((MERGE, STRATEGIC)) if method == "PATCH" else "application/json"
                }
            told = f"{method} {path} {headers} {body!r}"
            async with http.session.request(
                method, URL(f"{url}{path}", encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
            assert answer.status < 500 or answer.status in (503, 504), f"{told}\n{answer.status} {content!r}"
            if answer.status >= 400 and method != "HEAD" and answer.headers["Content-Type"] == "application/json":
                failure = orjson.loads(content)
                assert (failure["kind"], failure["code"]) == ("Status", answer.status), told
                assert failure["message"], told
            assert not [record for record in caplog.records if record.exc_info], told
    await http.get("/readyz")
    await http.get("/api/v1/pods")


@pytest.mark.timeout(20)
async def test_small_yaml_that_stands_for_much_costs_little(http: Http) -> None:
    laughs = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 12):
        laughs += b"a%d: &a%d [" % (level, level) + b", ".join([b"*a%d" % (level - 1)] * 9) + b"]\n"
    for body in (laughs, b"[" * 20_000, b"a: &a [*a]", b"{a: " * 20_000):
        refused = await http.refused("POST", "/api/v1/namespaces/default/configmaps", body, "application/yaml")
        assert refused["code"] == 400
    shared = b"metadata: {name: shared}\ndata: &d {k: v}\nbinaryData: {}\n"
    assert (await http.call("POST", "/api/v1/namespaces/default/configmaps", shared, "application/yaml"))[0] == 201


async def test_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    """Writers that read, change and put, and writers that patch keys of their own, over two lives of the server."""
    path, counts = "/api/v1/namespaces/default/configmaps", [0, 0]
    patched: dict[str, str] = {}

    async def increment(http: Http) -> None:
        for _ in range(10):
            while True:
                obj = await http.get(f"{path}/shared")
                obj["data"]["count"] = str(int(obj["data"]["count"]) + 1)
                status, _ = await http.call("PUT", f"{path}/shared", obj)
                if status == 200:
                    break
                assert status == 409
            counts[0] += 1

    async def patch(http: Http, writer: str) -> None:
        for number in range(10):
            await http.patch(f"{path}/shared", {"data": {f"{writer}-{number}": "x"}})
            patched[f"{writer}-{number}"] = "x"

    async def create(http: Http, writer: str) -> None:
        for _ in range(10):
            await http.create(path, {"metadata": {"generateName": f"{writer}-"}})
            counts[1] += 1

    for life in ("first", "second"):
        async with running_server(tmp_path) as server, aiohttp.ClientSession() as session:
            http = Http(session, f"http://127.0.0.1:{server.port}", server.registry)
            if life == "first":
                await http.create(path, {"metadata": {"name": "shared"}, "data": {"count": "0"}})
            work = [f(http, f"{life}-{n}") for n in range(3) for f in (patch, create)]
            await asyncio.gather(*work, *(increment(http) for _ in range(3)))
    async with running_server(tmp_path) as server, aiohttp.ClientSession() as session:
        http = Http(session, f"http://127.0.0.1:{server.port}", server.registry)
        data = (await http.get(f"{path}/shared"))["data"]
        assert data.pop("count") == str(counts[0]) == "60"
        assert data == patched
        made = [name for name in await http.names(path) if name.startswith(("first", "second"))]
        assert len(made) == len(set(made)) == counts[1] == 60
