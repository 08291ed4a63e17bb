"""What a new user does, by commands, against a real control plane, real processes and the real proxy."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


async def get(made: Cluster, *arguments: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(await made.ok("get", *arguments, "-o", "json"))
    return parsed


async def is_ready(made: Cluster, deployment: str, replicas: int) -> bool:
    status = (await get(made, "deployment", deployment)).get("status", {})
    return bool(status.get("readyReplicas", 0) == replicas == status.get("replicas"))


async def node_port(made: Cluster, service: str) -> int:
    return int((await get(made, "service", service))["spec"]["ports"][0]["nodePort"])


async def test_create_expose_scale_kill_and_delete() -> None:
    async with cluster() as made:
        out = await made.ok("create", "deployment", "web", "--image=k9lite/whoami", "--replicas=3", "--port=80")
        assert out == "deployment.apps/web created\n"
        await eventually(lambda: is_ready(made, "web", 3), timeout=30)
        assert await made.ok("expose", "deployment", "web", "--type=NodePort", "--port=80") == "service/web exposed\n"
        url = f"http://127.0.0.1:{await node_port(made, 'web')}/"
        await eventually(lambda: asyncio.to_thread(fetch, url), timeout=20)
        answers = {(await asyncio.to_thread(fetch, url)) for _ in range(9)}
        names = {item["metadata"]["name"] for item in (await get(made, "pods"))["items"]}
        assert {name for name in names if any(name in answer for answer in answers)} == names

        assert await made.ok("scale", "deployment", "web", "--replicas=5") == "deployment.apps/web scaled\n"
        await eventually(lambda: is_ready(made, "web", 5), timeout=30)

        victim = sorted(names)[0]
        assert f'pod "{victim}"' in await made.ok("delete", "pod", victim, "--grace-period=0", "--force")
        await eventually(lambda: is_ready(made, "web", 5), timeout=30)
        assert victim not in {item["metadata"]["name"] for item in (await get(made, "pods"))["items"]}

        await made.ok("delete", "deployment", "web")

        async def nothing_left() -> bool:
            return not (await get(made, "pods"))["items"] and not (await get(made, "rs"))["items"]

        await eventually(nothing_left, timeout=40)


async def test_any_program_of_the_machine_is_a_pod() -> None:
    async with cluster() as made:
        await made.ok(
            "create",
            "deployment",
            "files",
            "--image=host",
            "--replicas=2",
            "--port",
            "8000",
            "--",
            "python3",
            "-m",
            "http.server",
            "$(PORT)",
        )
        await eventually(lambda: is_ready(made, "files", 2), timeout=30)
        await made.ok("expose", "deployment", "files", "--type=NodePort", "--port=8000")
        url = f"http://127.0.0.1:{await node_port(made, 'files')}/"
        assert "Directory listing" in await eventually(lambda: asyncio.to_thread(fetch, url), timeout=20)
        for _ in range(6):  # so that each of the two pods has answered
            await asyncio.to_thread(fetch, url)
        assert "GET / HTTP" in await eventually(lambda: made.ok("logs", "deployment/files", "--tail=50"), timeout=20)


async def test_stop_with_pods_brings_them_back_at_the_next_start() -> None:
    async with cluster() as made:
        await made.ok("create", "deployment", "web", "--image=k9lite/whoami", "--replicas=2")
        await eventually(lambda: is_ready(made, "web", 2), timeout=30)
        before = {item["metadata"]["name"] for item in (await get(made, "pods"))["items"]}
        await made.ok("stop", "--pods")
        assert "not running" in (await made.run("status")).stdout.lower()
        await made.start()
        await eventually(lambda: is_ready(made, "web", 2), timeout=30)
        assert {item["metadata"]["name"] for item in (await get(made, "pods"))["items"]} == before


async def test_a_command_starts_the_control_plane_and_says_so() -> None:
    async with cluster(start=False) as made:
        made.home.mkdir(parents=True)
        done = await made.run("get", "namespaces")
        assert done.returncode == 0, done.stderr
        assert "kube-system" in done.stdout
        assert "control plane" in done.stderr
        await made.ok("stop")
