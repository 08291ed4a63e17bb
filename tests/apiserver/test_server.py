"""The API over real TLS connections."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.apiserver.certificates import Certificates
from k9lite.apiserver.server import ApiServer
from k9lite.clock import SystemClock
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store
from tests.support.protobuf import encode_body
from tests.support.wait import eventually

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Logs:
    """A log source with two lines, or a failure."""

    failure: ApiError | None = None

    async def logs(self, namespace: str, pod: str, container: str, **options: Any) -> AsyncIterator[bytes]:
        if self.failure:
            raise self.failure
        yield f"{namespace}/{pod}/{container}\n".encode()
        yield json.dumps(options, sort_keys=True).encode() + b"\n"


@dataclass
class Api:
    session: aiohttp.ClientSession
    url: str
    certificates: Certificates
    registry: Registry
    logs: Logs

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        encoded = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        data = encoded if encoded is None else io.BytesIO(encoded)
        async with self.session.request(method, self.url + path, data=data, headers=headers or {}) as answer:
            text = await answer.text()
            is_json = answer.headers["Content-Type"].startswith("application/json")
            return answer.status, json.loads(text) if is_json else text


def trusting(certificates: Certificates, directory: Path, *, client: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    if client:
        context.load_cert_chain(directory / "admin.crt", directory / "admin.key")
    return context


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    store = await Store.open(tmp_path / "store", clock=SystemClock(), history_seconds=3600, history_bytes=1 << 30)
    registry = Registry(store, SystemClock())
    await bootstrap(registry)
    certificates = Certificates(tmp_path / "pki")
    server = ApiServer(registry, host="127.0.0.1", port=0, certificates=certificates, log_source=(logs := Logs()))
    port = await server.start()
    connector = aiohttp.TCPConnector(ssl=trusting(certificates, tmp_path / "pki"))
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield Api(session, f"https://127.0.0.1:{port}", certificates, registry, logs)
    await server.stop()
    await store.close()


DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS_PATH = "/api/v1/namespaces/default/pods"


def deployment(name: str, replicas: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]},
            },
        },
    }


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


async def test_create_read_change_delete(api: Api) -> None:
    status, made = await api.call("POST", DEPLOYMENTS, deployment("web"))
    assert (status, made["kind"], made["apiVersion"]) == (201, "Deployment", "apps/v1")
    assert (await api.call("GET", f"{DEPLOYMENTS}/web/"))[1] == made
    made["spec"]["replicas"] = 2
    status, changed = await api.call("PUT", f"{DEPLOYMENTS}/web", made)
    assert (status, changed["metadata"]["generation"]) == (200, 2)
    status, stale = await api.call("PUT", f"{DEPLOYMENTS}/web", made)
    assert (status, stale["reason"]) == (409, "Conflict")
    merge = {"Content-Type": "application/merge-patch+json"}
    assert (await api.call("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, merge))[1]["spec"]["replicas"] == 3
    scale = (await api.call("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 4}}, merge))[1]
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 4)
    status, gone = await api.call("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": "Background"})
    assert (status, gone["status"], gone["details"]["uid"]) == (200, "Success", made["metadata"]["uid"])
    status, missing = await api.call("GET", f"{DEPLOYMENTS}/web")
    assert (status, missing["message"]) == (404, 'deployments.apps "web" not found')


async def test_without_a_certificate_there_is_only_health(api: Api, tmp_path: Path) -> None:
    context = trusting(api.certificates, tmp_path / "pki", client=False)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.get(api.url + "/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with session.get(api.url + PODS_PATH) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized")


async def test_keys_are_private_and_expired_certificates_are_made_anew(api: Api, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    assert pki.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in pki.glob("*.key")} == {
        "ca.key": 0o600, "server.key": 0o600, "admin.key": 0o600,
    }  # fmt: skip
    assert api.certificates.renew() is False
    (pki / "server.crt").write_text("damaged")
    assert api.certificates.renew() is True
    api.certificates.server_context()


async def test_lists_select_and_page(api: Api) -> None:
    for number in range(5):
        await api.call("POST", PODS_PATH, pod(f"p{number}", odd=str(number % 2)))
    names = [
        item["metadata"]["name"] for item in (await api.call("GET", PODS_PATH + "?labelSelector=odd%3D1"))[1]["items"]
    ]
    assert names == ["p1", "p3"]
    found = (await api.call("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp2"))[1]
    assert [item["metadata"]["name"] for item in found["items"]] == ["p2"]
    first = (await api.call("GET", PODS_PATH + "?limit=2"))[1]
    assert first["metadata"]["remainingItemCount"] == 3
    rest = (await api.call("GET", PODS_PATH + f"?limit=9&continue={first['metadata']['continue']}"))[1]
    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == [f"p{n}" for n in range(5)]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    for query, code in (("labelSelector=a%3Db%3Dc", 400), ("fieldSelector=spec.x%3D1", 400), ("limit=x", 400),
                        ("continue=zzz", 400), ("resourceVersion=999999", 504)):  # fmt: skip
        assert (await api.call("GET", f"{PODS_PATH}?{query}"))[0] == code


async def test_tables(api: Api) -> None:
    await api.call("POST", PODS_PATH, pod("p"))
    listed = (await api.call("GET", PODS_PATH, headers={"Accept": TABLE}))[1]
    assert [column["name"] for column in listed["columnDefinitions"]][:5] == [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
    ]
    assert listed["rows"][0]["cells"][:4] == ["p", "0/1", "Pending", "0"]
    one = (await api.call("GET", f"{PODS_PATH}/p", headers={"Accept": TABLE}))[1]
    assert (one["kind"], len(one["rows"])) == ("Table", 1)


async def read_events(answer: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    return [json.loads(await asyncio.wait_for(answer.content.readline(), 5)) for _ in range(count)]


async def test_a_watch_tells_what_enters_and_leaves_the_selection(api: Api) -> None:
    await api.call("POST", PODS_PATH, pod("before", app="x"))
    merge = {"Content-Type": "application/merge-patch+json"}
    async with api.session.get(f"{api.url}{PODS_PATH}?watch=true&labelSelector=app%3Dx") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        assert [(event["type"], event["object"]["metadata"]["name"]) for event in await read_events(answer, 1)] == [
            ("ADDED", "before")
        ]
        await api.call("POST", PODS_PATH, pod("p", app="y"))
        for value in ("x", "x2", "x"):
            await api.call("PATCH", f"{PODS_PATH}/p", {"metadata": {"labels": {"app": value}}}, merge)
        await api.call("PATCH", f"{PODS_PATH}/p", {"metadata": {"labels": {"more": "1"}}}, merge)
        await api.call("DELETE", f"{PODS_PATH}/p")
        events = await read_events(answer, 5)
    assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    assert events[1]["object"]["metadata"]["labels"] == {"app": "x"}
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


async def test_a_watch_resumes_and_marks_the_end_of_the_beginning(api: Api) -> None:
    made = (await api.call("POST", PODS_PATH, pod("a")))[1]
    await api.call("POST", PODS_PATH, pod("b"))
    since = made["metadata"]["resourceVersion"]
    async with api.session.get(f"{api.url}{PODS_PATH}?watch=1&resourceVersion={since}") as answer:
        assert (await read_events(answer, 1))[0]["object"]["metadata"]["name"] == "b"
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with api.session.get(f"{api.url}{PODS_PATH}?{query}") as answer:
        events = await read_events(answer, 3)
    assert [event["type"] for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
    assert events[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (await api.call("GET", f"{PODS_PATH}?watch=1&sendInitialEvents=true"))[0] == 422
    async with api.session.get(f"{api.url}{PODS_PATH}?watch=1&timeoutSeconds=1") as answer:
        assert len((await answer.read()).splitlines()) == 2


async def test_watches_are_forgotten_when_their_client_goes(api: Api) -> None:
    async with api.session.get(f"{api.url}{PODS_PATH}?watch=1"):
        assert len(api.registry.store._watches) == 1
    await eventually(lambda: not api.registry.store._watches)


async def test_logs_are_streamed(api: Api) -> None:
    await api.call("POST", PODS_PATH, pod("p"))
    status, text = await api.call("GET", f"{PODS_PATH}/p/log?tailLines=5&follow=true")
    assert status == 200
    assert text.startswith("default/p/c\n")
    assert '"follow": true' in text
    assert '"tail_lines": 5' in text
    api.logs.failure = ApiError(400, "BadRequest", 'container "c" in pod "p" is waiting to start: ContainerCreating')
    status, waiting = await api.call("GET", f"{PODS_PATH}/p/log")
    assert (status, waiting["message"]) == (400, str(api.logs.failure))
    status, refused = await api.call("GET", f"{PODS_PATH}/p/log?container=x")
    assert (status, refused["message"]) == (400, "container x is not valid for pod p")


async def test_logs_from_a_time_on_and_up_to_a_size(api: Api) -> None:
    await api.call("POST", PODS_PATH, pod("p"))
    _, text = await api.call("GET", f"{PODS_PATH}/p/log?sinceTime=2026-01-02T03:04:05Z")
    assert '"since": 1767323045.0' in text
    _, text = await api.call("GET", f"{PODS_PATH}/p/log?limitBytes=9&follow=true")
    assert text == "default/p"
    _, text = await api.call("GET", f"{PODS_PATH}/p/log?limitBytes=12&stream=All")
    assert text == "default/p/c\n"


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=-1", 422, "sinceSeconds: Invalid value: -1: must be greater than 0"),
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z", 422, "at most one of `sinceTime` or `sinceSeconds`"),
        ("sinceTime=yesterday", 400, "must be a time"),
        ("limitBytes=x", 400, "must be a whole number"),
        ("stream=Stdout", 400, "kept as one log"),
    ],
)
async def test_log_options_out_of_bounds_are_refused(api: Api, query: str, code: int, message: str) -> None:
    await api.call("POST", PODS_PATH, pod("p"))
    status, refused = await api.call("GET", f"{PODS_PATH}/p/log?{query}")
    assert (status, refused["code"]) == (code, code)
    assert message in refused["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code"),
    [
        ("GET", "/nonsense", None, {}, 404),
        ("GET", "/apis/apps/v1/nonsense", None, {}, 404),
        ("GET", "/api/v1/namespaces/default/pods/p/nonsense", None, {}, 404),
        ("PUT", PODS_PATH, b"{}", {}, 405),
        ("POST", PODS_PATH, b"{", {"Content-Type": "application/json"}, 400),
        ("POST", PODS_PATH, b"a: [", {"Content-Type": "application/yaml"}, 400),
        ("POST", PODS_PATH, b"[]", {"Content-Type": "application/json"}, 400),
        ("POST", PODS_PATH, b'"x"', {}, 400),
        ("POST", PODS_PATH, b'{"metadata": 5}', {}, 400),
        ("POST", PODS_PATH, b'{"metadata": {"name": "x"}, "spec": 5}', {}, 400),
        ("POST", PODS_PATH, b'{"metadata": {"name": "x"}, "spec": {"containers": [5]}}', {}, 400),
        ("POST", PODS_PATH, b'{"metadata": {"name": 5}}', {}, 400),
        ("POST", PODS_PATH, b"k8s\x00x", {}, 400),
        ("POST", PODS_PATH, b"k8s\x00", {}, 415),
        ("POST", PODS_PATH, b"{}", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
        ("POST", PODS_PATH, b"{}", {"Content-Type": "text/plain"}, 415),
        ("DELETE", f"{PODS_PATH}/p", b"k8s\x00\x0a\xff", {}, 400),
        pytest.param("POST", PODS_PATH, b"x" * (3 * 1024 * 1024 + 1), {}, 413, id="too-large"),
        ("PATCH", f"{PODS_PATH}/p", b"{}", {"Content-Type": "text/plain"}, 404),
        ("DELETE", f"{PODS_PATH}/p", b'{"gracePeriodSeconds": "x"}', {}, 400),
        ("GET", f"{PODS_PATH}?watch=1&timeoutSeconds=x", None, {}, 400),
        ("GET", f"{PODS_PATH}?watch=1&resourceVersion=-1", None, {}, 400),
        ("GET", f"{PODS_PATH}?watch=1&resourceVersion=999999", None, {}, 504),
        ("GET", f"{PODS_PATH}?limit=-1", None, {}, 400),
        ("GET", f"{PODS_PATH}/p/eviction", None, {}, 405),
        ("PUT", f"{PODS_PATH}/p/log", b"{}", {}, 405),
        ("POST", PODS_PATH, b"1: 2", {}, 400),
        ("POST", PODS_PATH, b"metadata: {name: x}\nspec: {containers: !!set {c}}", {}, 400),
        ("POST", f"{PODS_PATH}/p/eviction", b"[]", {}, 400),
        ("POST", f"{PODS_PATH}/p/binding", b"{}", {}, 404),
        ("GET", PODS_PATH, None, {"Origin": "https://example.com"}, 403),
        ("GET", PODS_PATH, None, {"Origin": "https://example.com", "Host": "example.com"}, 403),
    ],
)  # fmt: skip
async def test_bad_requests_get_a_status(
    api: Api, method: str, path: str, body: bytes | None, headers: dict[str, str], code: int
) -> None:
    headers = {"Content-Type": "", **headers}
    status, answer = await api.call(method, path, body, headers)
    assert (status, answer["kind"], answer["code"]) == (code, "Status", code), answer
    assert answer["message"]


async def test_yaml_and_bodies_without_a_type_are_read(api: Api) -> None:
    body = b"metadata: {name: y}\nspec: {containers: [{name: c, image: i}]}\n"
    for headers in ({"Content-Type": "application/yaml"}, {"Content-Type": ""}):
        status, _ = await api.call("POST", PODS_PATH + "?dryRun=All", body, headers)
        assert status == 201
    assert api.registry.store.get(PODS.key, "default", "y") is None


async def test_discovery_in_all_three_forms(api: Api) -> None:
    groups = (await api.call("GET", "/apis"))[1]["groups"]
    assert {group["name"] for group in groups} >= {"apps", "autoscaling", "batch", "events.k8s.io"}
    core = (await api.call("GET", "/api/v1"))[1]["resources"]
    assert {"pods", "pods/log", "services", "namespaces"} <= {entry["name"] for entry in core}
    for version in ("v2", "v2beta1"):
        accept = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        async with api.session.get(api.url + "/api", headers={"Accept": accept}) as answer:
            assert answer.headers["Content-Type"] == accept
            content = await answer.json(content_type=None)
        assert content["apiVersion"] == f"apidiscovery.k8s.io/{version}"
        assert content["items"][0]["versions"][0]["resources"][0]["resource"] == "pods"
    assert int((await api.call("GET", "/version/"))[1]["minor"]) >= 30
    kubeconfig = api.certificates.kubeconfig(api.url)
    assert "client-key-data" in kubeconfig


async def test_a_pod_is_bound_once(api: Api) -> None:
    await api.call("POST", PODS_PATH, pod("p"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n1"}}
    assert (await api.call("POST", f"{PODS_PATH}/p/binding", binding))[0] == 201
    assert (await api.call("GET", f"{PODS_PATH}/p"))[1]["spec"]["nodeName"] == "n1"
    assert (await api.call("POST", f"{PODS_PATH}/p/binding", binding))[0] == 409


async def test_a_key_without_its_certificate_is_made_anew(api: Api, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    (pki / "server.key").write_bytes((pki / "admin.key").read_bytes())  # as a crash between two writes
    assert api.certificates.renew() is True
    api.certificates.server_context()


async def test_many_objects_are_announced_whole(api: Api) -> None:
    for number in range(450):
        name = f"p{number:03}"
        stored = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name}}
        await api.registry.store.create("pods", "default", name, stored)
    async with api.session.get(f"{api.url}{PODS_PATH}?watch=1") as answer:
        events = await read_events(answer, 450)
    assert [event["object"]["metadata"]["name"] for event in events] == [f"p{number:03}" for number in range(450)]


async def test_the_empty_openapi_document_is_served(api: Api) -> None:
    async with api.session.get(f"{api.url}/openapi/v2") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Content-Type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


async def test_protobuf_and_json_bodies_become_the_same_object(api: Api) -> None:
    protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    for name in ("a", "b"):
        body = deployment(name)
        sent = (encode_body(body), protobuf) if name == "a" else (json.dumps(body).encode(), {})
        status, made = await api.call("POST", DEPLOYMENTS, *sent)
        assert (status, made["kind"]) == (201, "Deployment")
    first, second = [(await api.call("GET", f"{DEPLOYMENTS}/{name}"))[1]["spec"] for name in ("a", "b")]
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True).replace('"app": "b"', '"app": "a"')
    options = encode_body({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "another"}})
    status, refused = await api.call("DELETE", f"{DEPLOYMENTS}/a", options, protobuf)
    assert (status, refused["reason"]) == (409, "Conflict")
