"""Real containers through the whole control plane: they run, heal, answer, and survive what goes away around them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from k9lite.api.objects import condition_of, is_true
from tests.support.cluster import Cluster, cluster
from tests.support.images import IMAGE, ensure_image
from tests.support.relay import Relay
from tests.support.wait import eventually

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(400)]

SOCKET = Path("/var/run/docker.sock")


@asynccontextmanager
async def docker_cluster() -> AsyncIterator[tuple[Cluster, Relay]]:
    """A cluster on the machine's engine, which it reaches through a line that can be cut."""
    ensure_image()
    with tempfile.TemporaryDirectory(prefix="k9lite-relay-") as directory:
        relay = Relay(Path(directory) / "docker.sock", SOCKET)
        await relay.open()
        try:
            async with cluster("docker", start=False) as made:
                made.environment["DOCKER_HOST"] = f"unix://{directory}/docker.sock"
                await made.start()
                try:
                    yield made, relay
                finally:
                    await relay.open()  # its containers are to be removed
        finally:
            await relay.close()


async def docker(*words: str) -> list[str]:
    done = await asyncio.to_thread(subprocess.run, ["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


async def containers(made: Cluster) -> set[str]:
    identity = json.loads((made.home / "data/cluster.json").read_text())["id"]
    label = f"label=k9lite.io/cluster={identity}"
    return set(await docker("ps", "--no-trunc", "--quiet", "--filter", label))


async def pods(made: Cluster) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(await made.ok("get", "pods", "-o", "json"))["items"]
    return items


async def ready(made: Cluster, count: int) -> set[str]:
    """Waits for so many ready pods, and no others; the ids of their containers."""

    async def look() -> set[str]:
        found = await pods(made)
        assert [is_true(pod, "Ready") for pod in found] == [True] * count
        ids = {pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://") for pod in found}
        assert ids == await containers(made)
        return ids

    return await eventually(look, timeout=60)


async def web(made: Cluster, replicas: int) -> str:
    """A deployment of a web server behind a NodePort; its URL."""
    await made.ok("create", "deployment", "web", f"--image={IMAGE}", f"--replicas={replicas}", "--port=80")
    await made.ok("expose", "deployment", "web", "--type=NodePort", "--port=80")
    service = json.loads(await made.ok("get", "service", "web", "-o", "json"))
    return f"http://127.0.0.1:{service['spec']['ports'][0]['nodePort']}/index.html"


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


async def node_ready(made: Cluster) -> dict[str, Any]:
    node = json.loads(await made.ok("get", "nodes", "-o", "json"))["items"][0]
    return condition_of(node, "Ready") or {}


async def test_containers_run_answer_heal_and_outlive_the_control_plane() -> None:
    async with docker_cluster() as (made, _):
        url = await web(made, 2)
        first = await ready(made, 2)
        assert await eventually(lambda: asyncio.to_thread(fetch, url), timeout=20) == "hello\n"
        made.kill()
        assert await asyncio.to_thread(fetch, url) == "hello\n"
        await made.start()
        assert await ready(made, 2) == first
        await docker("rm", "--force", sorted(first)[0])
        healed = await eventually(lambda: healed_without(made, sorted(first)[0]), timeout=60)
        assert sorted(first)[1] in healed
        assert await asyncio.to_thread(fetch, url) == "hello\n"


async def healed_without(made: Cluster, container: str) -> set[str]:
    """The containers once two run and none of them is that one."""
    found = await ready(made, 2)
    return found if container not in found else set()


async def test_while_the_engine_is_away_the_node_says_why_and_then_everything_resumes() -> None:
    async with docker_cluster() as (made, relay):
        url = await web(made, 2)
        first = await ready(made, 2)
        await eventually(lambda: asyncio.to_thread(fetch, url), timeout=20)
        await relay.close()

        async def says_why() -> bool:
            condition = await node_ready(made)
            assert "docker.sock" in condition["message"], condition
            return bool(condition["status"] == "False")

        await eventually(says_why, timeout=30)
        condition = await node_ready(made)
        assert condition["reason"] == "KubeletNotReady"
        assert condition["message"].startswith("container runtime is down: ")
        assert "NotReady" in await made.ok("get", "nodes")
        assert await asyncio.to_thread(fetch, url) == "hello\n"
        removed = sorted(first)[0]
        await docker("rm", "--force", removed)
        await made.ok("scale", "deployment", "web", "--replicas=3")

        await relay.open()
        now = await ready(made, 3)
        assert sorted(first)[1] in now
        assert removed not in now
        assert (await node_ready(made))["status"] == "True"
        assert await asyncio.to_thread(fetch, url) == "hello\n"
