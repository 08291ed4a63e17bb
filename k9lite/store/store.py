"""The truth: objects in memory, folded from the log on disk, changed by one writer.

    callers --submit--> [queue] --one batch--> stage -> commit (thread, one fsync) -> apply -> wake watchers, answer

Writes that arrive while a commit syncs form the next batch, so many writers share one fsync and nothing is
acknowledged before it is on disk. Preconditions are checked against memory plus what the batch has staged. A commit
that fails (disk full) fails its whole batch and leaves memory, log and resourceVersion as they were.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from k9lite.api.errors import ApiError, already_exists, bad_request, conflict, expired, internal, not_found
from k9lite.api.objects import Obj, same_json
from k9lite.clock import Clock
from k9lite.store.lock import DirectoryLock
from k9lite.store.log import Log, Row
from k9lite.store.watch import Event, Stored, Watch

log = logging.getLogger("k9lite.store")

MEMORY_EVENTS = 512
"""Events kept in memory for watches that resume; older ones are read from disk."""
MAX_PENDING = 4096
"""Events a watcher may lag behind before it is cut off; each may hold two versions of an object in memory."""
MAX_BATCH = 512
TRIM_SECONDS = 600.0
HEAD_ROWS = 20_000
"""Rows after the last head that make a start read too much; about 0.1 s."""

Key = tuple[str, str, str]


@dataclass(slots=True)
class _Write:
    verb: str
    key: Key
    obj: Obj | None
    rv: int | None
    uid: str | None
    answer: asyncio.Future[Stored]


_StoredList = list[Stored]
_Events = list[Event]
_Batch = list[_Write]
_Rows = list[Row]
_Staged = list[tuple[_Write, Event]]
_Late = list[tuple[_Write, ApiError]]
_Head = tuple[list[int], int]
_Followers = list[Callable[[Event], None]]
_Tasks = list[asyncio.Task[None]]


class Store:
    """Opened with `Store.open`; every method is for the event loop that opened it."""

    def __init__(self, log: Log, lock: DirectoryLock, clock: Clock, history_seconds: int, history_bytes: int) -> None:
        self._log = log
        self._lock = lock
        self._clock = clock
        self._history = (history_seconds, history_bytes)
        self._objects: dict[str, dict[str, dict[str, Stored]]] = {}
        self._events: deque[Event] = deque(maxlen=MEMORY_EVENTS)
        self._watches: set[Watch] = set()
        self._followers: dict[str, _Followers] = {}
        self._queue: _Batch = []
        self._wake = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-read")
        self._tasks: _Tasks = []
        self._rows_since_head = 0
        self.rv = 0
        self.changed: dict[str, int] = {}
        """The last resourceVersion given to an object of each resource since the start: whether a cache is current."""
        self.oldest = 0
        """Watches can resume from this resourceVersion, not from before it."""

    @classmethod
    async def open(cls, directory: Path, *, clock: Clock, history_seconds: int, history_bytes: int) -> Store:
        """Lock the directory, fold the log, start the writer. Raises DirectoryLocked, OSError, sqlite3.Error."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240 - before anything is served
        lock = DirectoryLock(directory)
        try:
            store = cls(Log(directory / "log.db"), lock, clock, history_seconds, history_bytes)
            store._fold()
        except BaseException:
            lock.release()
            raise
        store._tasks = [
            asyncio.create_task(store._write_batches(), name="store-writer"),
            asyncio.create_task(store._trim_regularly(), name="store-trim"),
        ]
        return store

    def _fold(self) -> None:
        for row in self._log.live_rows():
            self._rows_since_head += 1
            if row.verb == "DELETED":
                self._forget(row.resource, row.namespace, row.name)
            else:
                self._remember(
                    (row.resource, row.namespace, row.name), Stored(orjson.loads(row.body), row.body, row.rv)
                )
        self.rv, self.oldest = self._log.last_rv(), self._log.floor()

    # Reads -------------------------------------------------------------------------------------------
    def get(self, resource: str, namespace: str, name: str) -> Stored | None:
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def list(self, resource: str, namespace: str | None = None) -> _StoredList:
        """Ordered by namespace and name; all namespaces without one."""
        spaces = self._objects.get(resource, {})
        if namespace is not None:
            found = spaces.get(namespace, {})
            return [found[name] for name in sorted(found)]
        return [spaces[space][name] for space in sorted(spaces) for name in sorted(spaces[space])]

    async def list_at(self, resource: str, namespace: str | None, rv: int) -> _StoredList:
        """As `list` would have answered at that resourceVersion: today's objects, with what came after undone.

        Raises ApiError 410 if that is no longer in the history.
        """
        if rv < self.oldest:
            raise expired(f"too old resource version: {rv} ({self.oldest})")
        found: dict[tuple[str, str], Stored | None] = {}
        for stored in self.list(resource, namespace):
            metadata = stored.obj["metadata"]
            found[metadata.get("namespace", ""), metadata["name"]] = stored
        undone: set[tuple[str, str]] = set()
        after, upto = rv, self.rv
        while after < upto and (events := await self._missed(after, upto, resource)):
            for event in events:
                key = (event.namespace, event.name)
                if event.resource == resource and namespace in (None, event.namespace) and key not in undone:
                    undone.add(key)
                    found[key] = event.old
            after = events[-1].rv
        return [kept for key in sorted(found) if (kept := found[key]) is not None]

    def too_large(self, rv: int) -> ApiError:
        """504: a resourceVersion that was not given yet."""
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        return ApiError(504, "Timeout", f"Too large resource version: {rv}, current: {self.rv}",
                        {"causes": causes, "retryAfterSeconds": 1})  # fmt: skip

    def watch(
        self,
        resource: str | None,
        namespace: str | None = None,
        since: int | None = None,
        max_pending: int = MAX_PENDING,
    ) -> Watch:
        """Every event after `since` (None: from now) of a resource and namespace (None: of all).

        Raises ApiError 410 if that is no longer in the history, 504 if it is in the future.
        """

        def wants(of: str, space: str) -> bool:
            return (resource is None or of == resource) and (namespace is None or space == namespace)

        replay = None
        if since is not None and since < self.rv:
            if since < self.oldest:
                raise expired(f"too old resource version: {since} ({self.oldest})")

            async def read(after: int, upto: int) -> _Events:
                return await self._missed(after, upto, resource)

            replay = (read, since, self.rv)
        elif since is not None and since > self.rv:
            raise self.too_large(since)
        watch = Watch(wants, max_pending=max_pending, on_close=self._watches.discard, replay=replay)
        self._watches.add(watch)
        return watch

    def follow(self, resource: str, take: Callable[[Event], None]) -> None:
        """Call `take` with each change of a resource when it is applied, before its writer is answered."""
        self._followers.setdefault(resource, []).append(take)

    async def _missed(self, after: int, upto: int, resource: str | None) -> _Events:
        """Events with after < rv <= upto: from memory if it reaches back far enough, else a page from disk."""
        if self._events and self._events[0].rv <= after + 1:
            return [event for event in self._events if after < event.rv <= upto]
        loop = asyncio.get_running_loop()
        floor, rows = await loop.run_in_executor(self._reader, self._log.rows_between, after, upto, resource, 500)
        if after < floor and after < upto:  # trimmed while the watch was reading
            raise expired(f"too old resource version: {after} ({floor})")
        return [_event(row, old) for row, old in rows]

    # Writes ------------------------------------------------------------------------------------------
    async def create(self, resource: str, namespace: str, name: str, obj: Obj) -> Stored:
        """Store a new object. Raises ApiError AlreadyExists."""
        return await self._submit("ADDED", (resource, namespace, name), obj)

    async def update(
        self, resource: str, namespace: str, name: str, obj: Obj, *, rv: int | None = None, uid: str | None = None
    ) -> Stored:
        """Replace an object, if it still has that rv and uid. An unchanged object is not written.

        Raises ApiError NotFound or Conflict.
        """
        return await self._submit("MODIFIED", (resource, namespace, name), obj, rv, uid)

    async def delete(
        self, resource: str, namespace: str, name: str, *, rv: int | None = None, uid: str | None = None
    ) -> Stored:
        """Remove an object; returns its last state, with the resourceVersion of its removal."""
        return await self._submit("DELETED", (resource, namespace, name), None, rv, uid)

    async def _submit(
        self, verb: str, key: Key, obj: Obj | None, rv: int | None = None, uid: str | None = None
    ) -> Stored:
        if self._closing:
            raise ApiError(503, "ServiceUnavailable", "the control plane is stopping")
        answer: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._queue.append(_Write(verb, key, obj, rv, uid, answer))
        self._wake.set()
        return await answer

    async def _write_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue or not self._closing:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            rows, staged, late = self._stage(batch)
            if not rows:
                continue
            try:
                await loop.run_in_executor(self._thread, self._log.append, rows)
            except Exception as error:  # whatever it is, the next batch gets its chance
                log.error("%d changes could not be written: %s", len(rows), error)
                self._refuse([*(write for write, _ in staged), *(write for write, _ in late)], error)
                continue
            self._apply(staged)
            for write, refusal in late:
                if not write.answer.done():
                    write.answer.set_exception(refusal)

    def _stage(self, batch: _Batch) -> tuple[_Rows, _Staged, _Late]:
        """Give each write that may happen its resourceVersion; answer those that may not.

        A write that loses against another of the batch is answered after that is on disk, so that who tries again
        sees what it lost against.
        """
        overlay: dict[Key, Stored | None] = {}
        rows: _Rows = []
        staged: _Staged = []
        late: _Late = []
        now, rv = self._clock.time(), self.rv
        for write in batch:
            if write.answer.done():  # the caller was cancelled
                continue
            current = overlay[write.key] if write.key in overlay else self.get(*write.key)
            error = _refusal(write, current)
            if error is not None:
                if write.key in overlay:
                    late.append((write, error))
                else:
                    write.answer.set_exception(error)
                continue
            obj = write.obj if write.obj is not None else current.copy() if current else {}
            if write.verb == "MODIFIED" and current is not None and _same(obj, current):
                waiting = staged and current.rv > self.rv
                if not waiting:
                    write.answer.set_result(current)
                    continue
            obj["metadata"]["resourceVersion"] = str(rv + 1)
            try:
                body = orjson.dumps(obj)
            except TypeError as problem:  # keys that are not strings, numbers beyond 64 bits, nested too deep
                write.answer.set_exception(bad_request(f"the object cannot be stored as JSON: {problem}"))
                continue
            rv += 1
            stored = Stored(obj, body, rv)
            overlay[write.key] = None if write.verb == "DELETED" else stored
            prev = current.rv if current else 0
            rows.append(Row(rv, now, write.verb, *write.key, str(obj["metadata"].get("uid", "")), prev, body))
            staged.append((write, Event(rv, write.verb, *write.key, stored, current)))
        return rows, staged, late

    def _apply(self, staged: _Staged) -> None:
        self._rows_since_head += len(staged)
        for write, event in staged:
            if event.verb == "DELETED":
                self._forget(*write.key)
            else:
                self._remember(write.key, event.stored)
            self.rv = self.changed[event.resource] = event.rv
            self._events.append(event)
            for follow in self._followers.get(event.resource, ()):
                follow(event)
            for watch in self._watches:
                watch.offer(event)
            if not write.answer.done():
                write.answer.set_result(event.stored)

    def _refuse(self, batch: _Batch, error: Exception) -> None:
        for write in batch:
            if not write.answer.done():
                write.answer.set_exception(
                    internal(
                        f"the change could not be written to disk ({error}); nothing was changed. Free space or "
                        f"check the disk, then try again"
                    )
                )

    def _remember(self, key: Key, stored: Stored) -> None:
        self._objects.setdefault(key[0], {}).setdefault(key[1], {})[key[2]] = stored

    def _forget(self, resource: str, namespace: str, name: str) -> None:
        self._objects.get(resource, {}).get(namespace, {}).pop(name, None)

    # Keeping -----------------------------------------------------------------------------------------
    async def _trim_regularly(self) -> None:
        while True:
            await self._clock.sleep(TRIM_SECONDS)
            with contextlib.suppress(sqlite3.Error):  # tried again at the next turn
                await self.trim()

    async def trim(self) -> None:
        """Forget history beyond its age and size, and shorten the next start."""
        loop = asyncio.get_running_loop()
        seconds, size = self._history
        if self._rows_since_head > HEAD_ROWS:
            await loop.run_in_executor(self._thread, self._log.set_head, *self._head())
            self._rows_since_head = 0
        more = True
        while more:
            before = self._clock.time() - seconds
            self.oldest, more = await loop.run_in_executor(self._thread, self._log.trim, before, size)

    def _head(self) -> _Head:
        live = (
            stored.rv for spaces in self._objects.values() for space in spaces.values() for stored in space.values()
        )
        return sorted(live), self.rv

    async def close(self) -> None:
        """Write what was accepted, note the head, release the directory. Watches end."""
        self._closing = True
        self._wake.set()
        writer, *others = self._tasks
        await writer
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for watch in list(self._watches):
            watch.close()
        self._reader.shutdown()
        with contextlib.suppress(sqlite3.Error):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._log.set_head, *self._head())
        self._thread.shutdown()
        self._log.close()
        self._lock.release()


def _refusal(write: _Write, current: Stored | None) -> ApiError | None:
    """Why a write may not happen, or None."""
    resource, _, name = write.key
    if write.verb == "ADDED":
        return already_exists(resource, name) if current is not None else None
    if current is None:
        return not_found(resource, name)
    uid: Any = current.obj["metadata"].get("uid", "")
    if write.uid and write.uid != uid:
        return conflict(
            resource, name, f"Precondition failed: UID in precondition: {write.uid}, UID in object meta: {uid}"
        )
    if write.rv is not None and write.rv != current.rv:
        return conflict(resource, name)
    return None


def _same(obj: Obj, current: Stored) -> bool:
    """Whether an update changes nothing but the resourceVersion."""
    obj["metadata"]["resourceVersion"] = str(current.rv)
    return same_json(obj, current.obj)


def _event(row: Row, old: bytes | None) -> Event:
    stored = Stored(orjson.loads(row.body), row.body, row.rv)
    before = Stored(orjson.loads(old), old, row.prev) if old is not None else None
    return Event(row.rv, row.verb, row.resource, row.namespace, row.name, stored, before)
