"""The control plane as a process: one owner, clean ends, and nothing acknowledged is ever lost."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PODS = "/api/v1/namespaces/default/pods"
ROUNDS = 30


async def test_a_second_control_plane_is_refused_with_the_pid_of_the_first(shared: Cluster) -> None:
    done = await shared.run("serve")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert f"process {shared.pid}" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_port_that_is_taken_is_named(shared: Cluster) -> None:
    async with cluster(start=False) as other:
        done = await other.run("--api-port", str(shared.announced()["port"]), "serve")
    assert done.returncode == 1
    assert str(shared.announced()["port"]) in done.stderr
    assert "Traceback" not in done.stderr


async def test_settings_that_cannot_be_used_are_named(shared: Cluster) -> None:
    done = await shared.run("--api-port", "x", "serve")
    assert (done.returncode, done.stderr.startswith("Error: --api-port: 'x'")) == (1, True)


async def test_it_ends_cleanly_and_keeps_its_port() -> None:
    async with cluster() as made:
        port = made.announced()["port"]
        assert made.terminate() == 0
        await made.start()
        assert made.announced()["port"] == port


async def test_another_engine_is_not_taken_silently() -> None:
    async with cluster() as made:
        made.terminate()
        done = await made.run("--engine", "docker", "serve")
        assert done.returncode == 1
        assert "this cluster's default engine is process, not docker" in done.stderr


def pod(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "host"}]}}


async def write_until_killed(made: Cluster, round_: int, acknowledged: set[str]) -> None:
    """Create pods on four connections; note each that was acknowledged."""

    async def writer(session: aiohttp.ClientSession, number: int) -> None:
        for count in range(10_000):
            name = f"r{round_}-w{number}-{count}"
            try:
                async with session.post(PODS, json=pod(name)) as answer:
                    if answer.status == 201:
                        acknowledged.add(name)
            except aiohttp.ClientError:
                return

    async with made.session() as session:
        writers = [asyncio.create_task(writer(session, number)) for number in range(4)]
        # After a random number of answers: the kill hits another point of the write path in every round.
        enough = len(acknowledged) + random.randrange(80)
        await eventually(lambda: len(acknowledged) >= enough)
        made.kill()
        await asyncio.gather(*writers)


async def test_acknowledged_writes_survive_kills_at_any_moment() -> None:
    acknowledged: set[str] = set()
    async with cluster() as made:
        for round_ in range(ROUNDS):
            await write_until_killed(made, round_, acknowledged)
            await made.start()
            async with made.session() as session, session.get(PODS) as answer:
                listed = await answer.json()
            names = [item["metadata"]["name"] for item in listed["items"]]
            assert len(names) == len(set(names))
            assert acknowledged <= set(names)
            versions = [int(item["metadata"]["resourceVersion"]) for item in listed["items"]]
            assert len(versions) == len(set(versions))
            assert int(listed["metadata"]["resourceVersion"]) >= max(versions, default=0)
    assert acknowledged


async def test_reset_leaves_nothing() -> None:
    async with cluster() as made:
        made.terminate()
        assert (made.home / "data").exists()
        await made.remove()
        assert not (made.home / "data").exists()
