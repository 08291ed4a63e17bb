"""The control plane as a process: one owner, clear refusals, clean ends."""

from __future__ import annotations

import pytest

from tests.support.cluster import Cluster, cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


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


async def test_reset_leaves_nothing() -> None:
    async with cluster() as made:
        made.terminate()
        assert (made.home / "data").exists()
        await made.remove()
        assert not (made.home / "data").exists()
