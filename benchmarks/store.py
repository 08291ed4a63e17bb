"""Acknowledged 2 KB writes a second, fsync on, beside a bare SQLite insert loop on the same disk."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure, show
from k9lite.clock import SystemClock
from k9lite.store.store import Store

PAYLOAD = "x" * 1900
BARE = 1000
ONE_WRITER = 4000
MANY = 64
MANY_WRITES = 320


def bare_loop(directory: Path, per_commit: int) -> float:
    """Rows a second of a plain insert loop with the same journal and sync settings."""
    db = sqlite3.connect(directory / f"bare{per_commit}.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (rv INTEGER PRIMARY KEY, body BLOB)")
    body = (PAYLOAD + "y" * 100).encode()
    started = time.perf_counter()
    for _ in range(BARE):
        db.execute("BEGIN")
        db.executemany("INSERT INTO t (body) VALUES (?)", [(body,)] * per_commit)
        db.execute("COMMIT")
    took = time.perf_counter() - started
    db.close()
    return BARE * per_commit / took


async def writes(store: Store, writer: int, count: int) -> None:
    for number in range(count):
        name = f"w{writer}-{number}"
        await store.create("configmaps", "default", name, {"metadata": {"name": name}, "data": {"x": PAYLOAD}})


async def measure(directory: Path, writers: int, each: int) -> float:
    store = await Store.open(directory, clock=SystemClock(), history_seconds=3600, history_bytes=1 << 30)
    started = time.perf_counter()
    await asyncio.gather(*(writes(store, writer, each) for writer in range(writers)))
    took = time.perf_counter() - started
    await store.close()
    return writers * each / took


def main() -> list[Figure]:
    """Measure and print the table."""
    import uvloop

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        bare, batched = bare_loop(directory, 1), bare_loop(directory, MANY)
        one = uvloop.run(measure(directory / "one", 1, ONE_WRITER))
        many = uvloop.run(measure(directory / "many", MANY, MANY_WRITES))
    return show(
        [
            Figure(
                "store, one writer", one, "writes/s", 2000, False, f"{one / bare:.2f} x bare SQLite ({bare:,.0f}/s)"
            ),
            Figure(
                f"store, {MANY} writers",
                many,
                "writes/s",
                10000,
                False,
                f"{many / batched:.2f} x bare SQLite, {MANY} a commit ({batched:,.0f}/s)",
            ),
        ]
    )


if __name__ == "__main__":
    main()
