"""What becomes of fields that no kind has, on every way to write, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.objects import deployment
from tests.support.server import running_server

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
UNKNOWN = 'strict decoding error: unknown field "spec.template.spec.containers[0].imagee", unknown field "spec.bogus"'


@pytest_asyncio.fixture
async def session(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with running_server(tmp_path) as server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as made:
        yield made


def wrong() -> dict[str, Any]:
    obj = deployment(bogus={"a": 1})
    obj["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    return obj


async def send(
    session: aiohttp.ClientSession, method: str, path: str, body: Any, content_type: str = "application/json"
) -> tuple[int, dict[str, Any], str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with session.request(method, path, data=data, headers={"Content-Type": content_type}) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers.get("Warning", "")


async def test_create(session: aiohttp.ClientSession) -> None:
    status, refused, _ = await send(session, "POST", f"{DEPLOYMENTS}?fieldValidation=Strict", wrong())
    assert (status, refused["reason"]) == (400, "BadRequest")
    assert refused["message"] == f'Deployment in version "v1" cannot be handled as a Deployment: {UNKNOWN}'
    status, made, warning = await send(session, "POST", DEPLOYMENTS, wrong())
    assert status == 201
    assert warning.count("299 - ") == 2
    assert "bogus" not in made["spec"]
    assert "imagee" not in made["spec"]["template"]["spec"]["containers"][0]


async def test_ignore_drops_silently_and_other_words_are_refused(session: aiohttp.ClientSession) -> None:
    status, made, warning = await send(session, "POST", f"{DEPLOYMENTS}?fieldValidation=Ignore", wrong())
    assert (status, warning, "bogus" in made["spec"]) == (201, "", False)
    status, refused, _ = await send(session, "POST", f"{DEPLOYMENTS}?fieldValidation=Maybe", wrong())
    assert (status, refused["reason"]) == (422, "Invalid")
    assert 'fieldValidation: Unsupported value: "Maybe"' in refused["message"]


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json-patch+json"])
async def test_patch(session: aiohttp.ClientSession, content_type: str) -> None:
    await send(session, "POST", DEPLOYMENTS, deployment())
    patch: Any = {"spec": {"bogus": 1}}
    if content_type.startswith("application/json-patch"):
        patch = [{"op": "add", "path": "/spec/bogus", "value": 1}]
    path = f"{DEPLOYMENTS}/web"
    status, refused, _ = await send(session, "PATCH", f"{path}?fieldValidation=Strict", patch, content_type)
    assert (status, refused["reason"]) == (422, "Invalid")
    assert 'strict decoding error: unknown field "spec.bogus"' in refused["message"]
    status, patched, warning = await send(session, "PATCH", path, patch, content_type)
    assert (status, warning, "bogus" in patched["spec"]) == (200, r'299 - "unknown field \"spec.bogus\""', False)


async def test_update_and_status(session: aiohttp.ClientSession) -> None:
    await send(session, "POST", DEPLOYMENTS, deployment())
    status, refused, _ = await send(session, "PUT", f"{DEPLOYMENTS}/web?fieldValidation=Strict", wrong())
    assert (status, UNKNOWN in refused["message"]) == (400, True)
    changed = deployment() | {"status": {"nonsense": 1}}
    status, updated, warning = await send(session, "PUT", f"{DEPLOYMENTS}/web/status", changed)
    assert (status, warning) == (200, r'299 - "unknown field \"status.nonsense\""')
    assert "nonsense" not in updated.get("status", {})


async def test_duplicates(session: aiohttp.ClientSession) -> None:
    text = json.dumps(deployment(replicas=1)).replace('"replicas": 1', '"replicas": 1, "replicas": 2').encode()
    status, refused, _ = await send(session, "POST", f"{DEPLOYMENTS}?fieldValidation=Strict", text)
    assert (status, 'strict decoding error: duplicate field "spec.replicas"' in refused["message"]) == (400, True)
    status, made, warning = await send(session, "POST", DEPLOYMENTS, text)
    assert (status, warning, made["spec"]["replicas"]) == (201, r'299 - "duplicate field \"spec.replicas\""', 2)


@pytest.mark.parametrize("mode", ["Strict", "Warn", "Ignore"])
async def test_wrong_types_are_refused_in_every_mode(session: aiohttp.ClientSession, mode: str) -> None:
    path = f"{DEPLOYMENTS}?fieldValidation={mode}"
    status, refused, _ = await send(session, "POST", path, deployment(replicas="3"))
    assert status == 400
    assert (
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        in refused["message"]
    )


@pytest.mark.parametrize(
    "text", [b'{"a":' * 600 + b"1" + b"}" * 600, b"[" * 5000, b'{"metadata":' + b"[" * 300 + b"]" * 300 + b"}"]
)
async def test_deep_bodies_are_refused(session: aiohttp.ClientSession, text: bytes) -> None:
    assert (await send(session, "POST", DEPLOYMENTS, text))[0] == 400
    await send(session, "POST", DEPLOYMENTS, deployment())
    assert (await send(session, "PATCH", f"{DEPLOYMENTS}/web", text, "application/merge-patch+json"))[0] == 400


async def test_hostile_names_stay_out_of_the_header(session: aiohttp.ClientSession) -> None:
    obj = deployment()
    obj["spec"] |= {"a\r\nSet-Cookie: x": 1, "é\u2028\x7f": 1}
    status, _, warning = await send(session, "POST", DEPLOYMENTS, obj)
    assert status == 201
    assert warning.count("299") == 2
