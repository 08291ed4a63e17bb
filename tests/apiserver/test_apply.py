"""Server-side apply and managedFields over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from k9lite.api.catalog import DEPLOYMENTS as RESOURCE
from tests.support.objects import deployment
from tests.support.server import Server, running_server

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WEB = f"{DEPLOYMENTS}/web"
APPLY = "application/apply-patch+yaml"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def session(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"User-Agent": "tester/1.0 (linux)"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers) as made:
        yield made


async def send(
    session: aiohttp.ClientSession, method: str, path: str, body: Any, content_type: str = "application/json"
) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with session.request(method, path, data=data, headers={"Content-Type": content_type}) as answer:
        return answer.status, await answer.json(content_type=None)


async def apply(
    session: aiohttp.ClientSession, body: Any, query: str = "fieldManager=a", path: str = WEB
) -> tuple[int, dict[str, Any]]:
    return await send(session, "PATCH", f"{path}?{query}", body, APPLY)


def managers(obj: dict[str, Any]) -> set[tuple[str, str, str]]:
    entries = obj["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"], entry.get("subresource", "")) for entry in entries}


async def test_apply_creates_then_changes_and_the_same_again_writes_nothing(session: aiohttp.ClientSession) -> None:
    status, made = await apply(session, deployment(replicas=1))
    assert (status, made["metadata"]["generation"], managers(made)) == (201, 1, {("a", "Apply", "")})
    assert made["spec"]["strategy"]["type"] == "RollingUpdate"
    assert "f:strategy" not in json.dumps(made["metadata"]["managedFields"]), "defaults are nobody's"
    status, again = await apply(session, deployment(replicas=1))
    assert (status, again) == (200, made)
    status, changed = await apply(session, deployment(replicas=2))
    assert (status, changed["spec"]["replicas"], changed["metadata"]["generation"]) == (200, 2, 2)


async def test_yaml_is_applied_too(session: aiohttp.ClientSession) -> None:
    text = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {a: b}}\n"
    status, made = await apply(session, text, path="/api/v1/namespaces/n")
    assert (status, made["metadata"]["labels"]["a"]) == (201, "b")


async def test_conflicts_and_force(session: aiohttp.ClientSession) -> None:
    await apply(session, deployment(replicas=1))
    merge = "application/merge-patch+json"
    await send(session, "PATCH", f"{WEB}/scale", {"spec": {"replicas": 5}}, merge)
    status, refused = await apply(session, deployment(replicas=1))
    assert (status, refused["reason"]) == (409, "Conflict")
    assert refused["message"] == (
        'Apply failed with 1 conflict: conflict with "tester" with subresource "scale" using apps/v1: .spec.replicas'
    )
    assert refused["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    status, forced = await apply(session, deployment(replicas=1), "fieldManager=a&force=true")
    assert (status, forced["spec"]["replicas"], managers(forced)) == (200, 1, {("a", "Apply", "")})


async def test_writes_are_owned_by_the_manager_or_the_user_agent(session: aiohttp.ClientSession) -> None:
    _, made = await send(session, "POST", f"{DEPLOYMENTS}?fieldManager=kubectl-create", deployment(replicas=1))
    assert managers(made) == {("kubectl-create", "Update", "")}
    assert made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"] == {}
    _, patched = await send(session, "PATCH", WEB, {"spec": {"paused": True}}, "application/merge-patch+json")
    assert managers(patched) == {("kubectl-create", "Update", ""), ("tester", "Update", "")}
    patched["status"] = {"replicas": 1}
    _, updated = await send(session, "PUT", f"{WEB}/status", patched)
    assert managers(updated) == managers(patched) | {("tester", "Update", "status")}
    updated["metadata"]["managedFields"] = [{}]
    _, forgotten = await send(session, "PUT", WEB, updated)
    assert managers(forgotten) == set()


async def test_status_is_applied_through_its_subresource(session: aiohttp.ClientSession) -> None:
    await apply(session, deployment(replicas=1))
    wanted = deployment(replicas=7) | {"status": {"replicas": 3}}
    status, made = await apply(session, wanted, "fieldManager=s", f"{WEB}/status")
    assert (status, made["status"], made["spec"]["replicas"]) == (200, {"replicas": 3}, 1)
    assert managers(made) == {("a", "Apply", ""), ("s", "Apply", "status")}
    status, _ = await apply(session, wanted, "fieldManager=s", f"{DEPLOYMENTS}/absent/status")
    assert status in (400, 404)


async def test_scale_is_applied_through_its_subresource(session: aiohttp.ClientSession) -> None:
    await send(session, "POST", DEPLOYMENTS, deployment(replicas=1))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    status, refused = await apply(session, scale, "fieldManager=hpa", f"{WEB}/scale")
    assert (status, refused["reason"]) == (409, "Conflict")
    status, made = await apply(session, scale, "fieldManager=hpa&force=true", f"{WEB}/scale")
    assert (status, made["kind"], made["spec"]["replicas"]) == (200, "Scale", 4)


async def test_a_dry_run_answers_and_stores_nothing(session: aiohttp.ClientSession) -> None:
    status, made = await apply(session, deployment(), "fieldManager=a&dryRun=All")
    assert (status, made["kind"]) == (201, "Deployment")
    async with session.get(WEB) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("body", "query", "code", "words"),
    [
        (deployment(), "", 422, "fieldManager: Required value: is required for apply patch"),
        (deployment(), "fieldManager=a%00", 422, "should only contain printable characters"),
        (deployment(), f"fieldManager={'x' * 129}", 422, "may not be more than 128 bytes"),
        ({"metadata": {"name": "web"}}, "fieldManager=a", 400, "with apiVersion and kind"),
        ([], "fieldManager=a", 400, "with apiVersion and kind"),
        (b"a: [", "fieldManager=a", 400, "not valid YAML"),
        (b'{"a": ', "fieldManager=a", 400, "error decoding patch"),
        (deployment("other"), "fieldManager=a", 400, "does not match the name on the URL"),
        (deployment(bogus=1), "fieldManager=a", 400, ".spec.bogus: field not declared in schema"),
        (deployment(replicas="1"), "fieldManager=a", 400, "cannot unmarshal string"),
        (deployment() | {"metadata": {"name": "web", "managedFields": [{"manager": "x"}]}}, "fieldManager=a", 400, "must be nil"),
        (deployment(replicas=-1), "fieldManager=a", 422, "greater than or equal to 0"),
        (json.dumps(deployment(replicas=1)).replace('"replicas": 1', '"replicas": 1, "replicas": 2').encode(),
         "fieldManager=a&fieldValidation=Strict", 400, 'duplicate field "spec.replicas"'),
    ],
)  # fmt: skip
async def test_what_cannot_be_applied(
    session: aiohttp.ClientSession, body: Any, query: str, code: int, words: str
) -> None:
    status, refused = await apply(session, body, query)
    assert (status, words in refused["message"]) == (code, True), refused


async def test_force_is_for_apply_alone(session: aiohttp.ClientSession) -> None:
    await send(session, "POST", DEPLOYMENTS, deployment())
    status, refused = await send(session, "PATCH", f"{WEB}?force=true", {}, "application/merge-patch+json")
    assert (status, "may not be specified for non-apply patch" in refused["message"]) == (422, True)


async def test_a_stale_version_is_refused_and_appliers_at_once_all_succeed(session: aiohttp.ClientSession) -> None:
    _, made = await apply(session, deployment())
    stale = deployment()
    stale["metadata"]["resourceVersion"] = "1"
    assert (await apply(session, stale))[0] == 409
    wanted = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {f"l{n}": "x"}}}
        for n in range(8)
    ]
    answers = await asyncio.gather(*(apply(session, body, f"fieldManager=m{n}") for n, body in enumerate(wanted)))
    assert [status for status, _ in answers] == [200] * 8
    async with session.get(WEB) as answer:
        assert set((await answer.json())["metadata"]["labels"]) == {f"l{n}" for n in range(8)} | set(
            made["metadata"].get("labels", {})
        )


async def test_writes_of_the_control_plane_keep_the_owners(server: Server, session: aiohttp.ClientSession) -> None:
    _, made = await apply(session, deployment(replicas=1))

    def change(obj: dict[str, Any]) -> dict[str, Any]:
        obj["status"] = {"replicas": 1}
        obj["metadata"].pop("managedFields")
        return obj

    for subresource in ("status", None):
        stored = await server.registry.mutate(RESOURCE, "default", "web", change, subresource=subresource)
        assert stored
        assert stored.obj["metadata"]["managedFields"] == made["metadata"]["managedFields"]
