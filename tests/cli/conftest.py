"""A server for each test, and the commands against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from k9lite.cli.main import run
from tests.support.server import Server, running_server

Outcome = tuple[int, str, str]
Command = Callable[..., Awaitable[Outcome]]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def command(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Command]:
    """Runs a command against the server; gives its exit code, stdout and stderr."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        "current-context: t\ncontexts: [{name: t, context: {cluster: t}}]\n"
        f"clusters: [{{name: t, cluster: {{server: 'http://127.0.0.1:{server.port}'}}}}]\n"
    )

    async def run_command(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = await asyncio.to_thread(run, ["--kubeconfig", str(path), *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    yield run_command
