"""Watch mode without a terminal: lines that others read, over lost connections, to a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from k9lite.api.catalog import PODS
from tests.client.test_client import pod
from tests.support.cluster import REPOSITORY
from tests.support.server import Server


@asynccontextmanager
async def watching(server: Server, directory: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    path = directory / "kubeconfig"
    path.write_text(
        "current-context: t\ncontexts: [{name: t, context: {cluster: t}}]\n"
        f"clusters: [{{name: t, cluster: {{server: 'http://127.0.0.1:{server.port}'}}}}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "k9lite", "watch", "pods", "--kubeconfig", str(path), *arguments,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().rstrip("\n")


async def test_changes_are_printed_over_a_restart_of_the_server(server: Server, tmp_path: Path) -> None:
    await server.client.create(PODS, "default", pod("a"))
    async with watching(server, tmp_path) as process:
        assert (await line(process)).endswith("Z pod default/a status Pending, ready 0/1")
        await server.client.patch(PODS, "default", "a", {"status": {"phase": "Running"}}, subresource="status")
        assert (await line(process)).endswith("Z pod default/a status Pending -> Running")
        await server.stop_listening()
        assert process.stderr is not None
        assert b"connection lost: " in await process.stderr.readline()
        await server.listen()
        await server.client.create(PODS, "default", pod("b"))
        assert (await line(process)).endswith("Z pod default/b created: status Pending, ready 0/1")
        await server.client.delete(PODS, "default", "b", grace_seconds=0)
        assert (await line(process)).endswith("Z pod default/b deleted")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_json_lines(server: Server, tmp_path: Path) -> None:
    await server.client.create(PODS, "default", pod("a"))
    async with watching(server, tmp_path, "-o", "json") as process:
        event = json.loads(await line(process))
        assert event.pop("time").endswith("Z")
        assert event == {
            "type": "ADDED",
            "kind": "Pod",
            "namespace": "default",
            "name": "a",
            "initial": True,
            "changes": [{"what": "status", "old": "", "new": "Pending"}, {"what": "ready", "old": "", "new": "0/1"}],
        }
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


@pytest.mark.parametrize("quiet", [True, False])
async def test_a_reader_that_goes_away_ends_it(server: Server, tmp_path: Path, quiet: bool) -> None:
    await server.client.create(PODS, "default", pod("a"))
    async with watching(server, tmp_path) as process:
        await line(process)
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        if not quiet:
            await server.client.create(PODS, "default", pod("b"))
        assert await process.wait() == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""
