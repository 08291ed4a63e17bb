"""Nothing more can be written: the control plane says so, goes on, and its store stays whole."""

from __future__ import annotations

import json
import os
import resource
import sqlite3

import pytest

from tests.support.cluster import Cluster, cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]


def allow_files_up_to(size: int, pid: int) -> None:
    """From now on the process cannot make any file longer than this, as if the disk were full."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


async def namespaces(made: Cluster) -> set[str]:
    items = json.loads(await made.ok("get", "namespaces", "-o", "json"))["items"]
    return {item["metadata"]["name"] for item in items}


async def test_a_full_disk_refuses_writes_and_keeps_the_store_whole() -> None:
    async with cluster() as made:
        await made.ok("create", "namespace", "before")
        size = os.stat(made.home / "data/store/log.db-wal").st_size
        allow_files_up_to(size, made.pid)
        refused = await made.run("create", "namespace", "meanwhile")
        assert refused.returncode == 1
        assert refused.stderr == (
            "Error: Internal error occurred: the change could not be written to disk (disk I/O error); nothing was "
            "changed. Free space or check the disk, then try again\n"
        )
        there = await namespaces(made)
        assert "before" in there
        assert "meanwhile" not in there

        allow_files_up_to(resource.RLIM_INFINITY, made.pid)
        await made.ok("create", "namespace", "after")
        allow_files_up_to(os.stat(made.home / "data/store/log.db-wal").st_size, made.pid)
        assert (await made.run("create", "namespace", "again")).returncode == 1
        made.kill()
        with sqlite3.connect(made.home / "data/store/log.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()
        await made.start()
        assert {"before", "after"} <= await namespaces(made)
        assert not {"meanwhile", "again"} & await namespaces(made)
