"""The store: acknowledged is on disk, watches see exactly the log, a second owner is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.clock import SystemClock
from k9lite.store.errors import DirectoryLocked
from k9lite.store.store import MEMORY_EVENTS, Store
from k9lite.store.watch import Event, Watch
from tests.support.clock import FakeClock


@asynccontextmanager
async def opened(directory: Path, clock: FakeClock | None = None, **options: int) -> AsyncIterator[Store]:
    options = {"history_seconds": 3600, "history_bytes": 1 << 30, **options}
    store = await Store.open(directory, clock=clock or SystemClock(), **options)
    try:
        yield store
    finally:
        await store.close()


def obj(name: str, value: int = 0) -> Obj:
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "value": value}


async def take(watch: Watch, count: int) -> list[Event]:
    return [await asyncio.wait_for(anext(watch), 5) for _ in range(count)]


async def test_a_write_is_there_after_reopening(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        made = await store.create("pods", "default", "a", obj("a"))
        assert made.obj["metadata"]["resourceVersion"] == str(made.rv) == "1"
    async with opened(tmp_path) as store:
        found = store.get("pods", "default", "a")
        assert found is not None
        assert (found.obj, found.rv, store.rv) == (made.obj, 1, 1)


async def test_preconditions(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.create("pods", "default", "a", obj("a"))
        with pytest.raises(ApiError, match='pods "a" already exists'):
            await store.create("pods", "default", "a", obj("a"))
        with pytest.raises(ApiError, match='pods "b" not found'):
            await store.update("pods", "default", "b", obj("b"))
        second = await store.update("pods", "default", "a", obj("a", 1), rv=first.rv)
        with pytest.raises(ApiError, match="has been modified"):
            await store.update("pods", "default", "a", obj("a", 2), rv=first.rv)
        with pytest.raises(ApiError, match="UID in precondition: other"):
            await store.delete("pods", "default", "a", uid="other")
        gone = await store.delete("pods", "default", "a", rv=second.rv)
        assert gone.rv == second.rv + 1
        assert gone.obj["value"] == 1
        assert store.get("pods", "default", "a") is None


async def test_writers_in_one_batch_see_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        answers = await asyncio.gather(
            *(store.create("pods", "default", "a", obj("a", number)) for number in range(5)), return_exceptions=True
        )
        assert sum(isinstance(answer, ApiError) for answer in answers) == 4


async def test_an_unchanged_object_is_not_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        made = await store.create("pods", "default", "a", obj("a"))
        again = await store.update("pods", "default", "a", obj("a"))
        assert again is made
        assert store.rv == 1
        assert (await store.update("pods", "default", "a", obj("a", False))).rv == 2  # 0 and false are not the same


async def test_the_second_owner_is_told_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(DirectoryLocked, match=str(os.getpid())) as caught:
            await Store.open(tmp_path, clock=SystemClock(), history_seconds=1, history_bytes=1)
        assert caught.value.pid == os.getpid()


async def test_a_slow_watcher_is_cut_off_and_harms_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        slow, quick = store.watch("pods", max_pending=3), store.watch("pods")
        for number in range(5):
            await store.create("pods", "default", f"p{number}", obj(f"p{number}"))
        with pytest.raises(ApiError) as caught:
            await anext(slow)
        assert caught.value.code == 410
        assert [event.name for event in await take(quick, 5)] == [f"p{number}" for number in range(5)]


async def test_history_is_trimmed_by_age_but_live_objects_stay(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, history_seconds=100) as store:
        await store.create("pods", "default", "old", obj("old"))
        for value in range(5):
            await store.update("pods", "default", "old", obj("old", value + 1))
        await store.create("pods", "default", "gone", obj("gone"))
        await store.delete("pods", "default", "gone")
    async with opened(tmp_path, clock, history_seconds=100) as store:
        await clock.advance(200)
        await store.create("pods", "default", "new", obj("new"))
        await store.trim()
        with pytest.raises(ApiError) as caught:
            store.watch("pods", since=2)
        assert (caught.value.code, caught.value.reason) == (410, "Expired")
    async with opened(tmp_path, clock) as store:
        assert [stored.obj["value"] for stored in store.list("pods")] == [0, 5]
        assert store.rv == 9


async def test_a_full_disk_changes_nothing_and_later_writes_work(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create("pods", "default", "a", obj("a"))
        pages = store._log._db.execute("PRAGMA page_count").fetchone()[0]
        store._log._db.execute(f"PRAGMA max_page_count={pages}")
        big = {**obj("b"), "text": "x" * 100_000}
        with pytest.raises(ApiError, match="database or disk is full") as caught:
            await store.create("pods", "default", "b", big)
        assert caught.value.code == 500
        assert (store.rv, store.get("pods", "default", "b")) == (1, None)
        store._log._db.execute("PRAGMA max_page_count=1000000")
        assert (await store.create("pods", "default", "b", big)).rv == 2


async def test_what_cannot_be_encoded_fails_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        bad = store.create("pods", "default", "bad", {**obj("bad"), "value": 1 << 80})
        good = store.create("pods", "default", "good", obj("good"))
        refused, made = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(refused, ApiError)
        assert refused.code == 400
        assert made is store.get("pods", "default", "good")
        assert store.rv == 1


async def test_history_is_trimmed_by_size(tmp_path: Path) -> None:
    async with opened(tmp_path, history_bytes=400_000) as store:
        await store.create("pods", "default", "kept", obj("kept"))
        await store.create("pods", "default", "p", obj("p"))
        for value in range(300):
            await store.update("pods", "default", "p", {**obj("p", value), "text": "x" * 2000})
        await store.trim()
        assert store.oldest > 0
        with pytest.raises(ApiError, match="too old resource version"):
            store.watch("pods", since=store.oldest - 1)
        last = store.rv
        assert store._log._size() <= 400_000
    async with opened(tmp_path) as store:
        assert [stored.obj["value"] for stored in store.list("pods")] == [0, 299]
        assert store.rv == last


async def test_a_watch_whose_past_is_trimmed_meanwhile_is_told_so(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, history_seconds=100) as store:
        for value in range(MEMORY_EVENTS + 700):
            await (store.update if value else store.create)("pods", "default", "p", obj("p", value))
        watch = store.watch("pods", since=0)
        await take(watch, 1)
        await clock.advance(200)
        await store.trim()
        with pytest.raises(ApiError, match="too old resource version"):
            await take(watch, MEMORY_EVENTS + 699)


WRITER = """
import asyncio, sys
from pathlib import Path
from k9lite.clock import SystemClock
from k9lite.store.store import Store
async def main():
    store = await Store.open(Path(sys.argv[1]), clock=SystemClock(), history_seconds=9, history_bytes=1 << 30)
    for number in range(1_000_000):
        stored = await store.create("pods", "d", f"p{number}", {"metadata": {"name": f"p{number}"}})
        print(stored.rv, flush=True)
asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(tmp_path), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        acknowledged = [int(await process.stdout.readline()) for _ in range(200)]
    finally:
        process.kill()
        rest, _ = await process.communicate()
    acknowledged += [int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
    async with opened(tmp_path) as store:
        assert {stored.rv for stored in store.list("pods")} >= set(acknowledged)


Step = tuple[str, str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["create", "update", "delete"]), st.sampled_from("abc"), st.integers(0, 3)), max_size=40
)


async def run_step(store: Store, step: Step) -> None:
    verb, name, value = step
    exists = store.get("pods", "d", name) is not None
    with pytest.raises(ApiError) if exists == (verb == "create") else nullcontext():
        if verb == "create":
            await store.create("pods", "d", name, obj(name, value))
        elif verb == "update":
            await store.update("pods", "d", name, obj(name, value))
        else:
            await store.delete("pods", "d", name)


Entry = tuple[int, str, bytes, bytes | None]


def entry_of(event: Event) -> Entry:
    return event.rv, event.verb, event.stored.body, event.old.body if event.old else None


@settings(max_examples=25)
@given(steps, st.integers(0, 40), st.booleans())
def test_any_writes_reopen_the_same_and_replay_exactly(sequence: list[Step], since: int, reopen: bool) -> None:
    async def check() -> None:
        with tempfile.TemporaryDirectory() as name:
            async with opened(Path(name)) as store:
                seen = store.watch("pods")
                for step in sequence:
                    await run_step(store, step)
                live = [entry_of(event) for event in seen.ready()]
                before = [(stored.rv, stored.body) for stored in store.list("pods")]
                if not reopen:
                    await compare(store, live)
            if reopen:
                async with opened(Path(name)) as store:
                    assert [(stored.rv, stored.body) for stored in store.list("pods")] == before
                    await compare(store, live)

    async def compare(store: Store, live: list[Entry]) -> None:
        start = min(since, store.rv)
        expected = [entry for entry in live if entry[0] > start]
        watch = store.watch("pods", since=start)
        got = await take(watch, len(expected))
        assert [entry_of(event) for event in got] == expected
        assert watch.ready() == []

    asyncio.run(check())


async def test_who_loses_against_a_write_of_the_same_batch_sees_it_at_the_next_try(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create("pods", "a", "x", {"metadata": {"name": "x"}, "count": 0})

        async def add_one() -> None:
            while True:
                current = store.get("pods", "a", "x")
                assert current is not None
                try:
                    await store.update(
                        "pods", "a", "x", {"metadata": {"name": "x"}, "count": current.obj["count"] + 1}, rv=current.rv
                    )
                except ApiError:
                    newer = store.get("pods", "a", "x")
                    assert newer is not None
                    assert newer.rv > current.rv
                else:
                    return

        await asyncio.gather(*(add_one() for _ in range(30)))
        final = store.get("pods", "a", "x")
        assert final is not None
        assert final.obj["count"] == 30
