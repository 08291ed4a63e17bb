"""Client libraries of Python, unmodified, against a real control plane on the process engine."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.python_clients import USES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("library", sorted(USES))
async def test_a_client_library_creates_watches_patches_scales_reads_logs_and_deletes(
    shared: Cluster, library: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.python_clients",
        library,
        str(shared.home / "data/admin.kubeconfig"),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 100)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
