"""What every controller runs on: a queue of keys, workers that reconcile them, and guarded tasks.

    event -> add(key) -> [waiting] -> worker: reconcile(key) -> done
                ^            ^                 |        |
                |            +-- add_after <---+ asks to be called again
                +---------------- retry  <--------------+ failed: 5 ms, 10 ms, ... 60 s

A key waits once, however often it is added; it is never reconciled twice at a time; added while it is being
reconciled, it is reconciled again afterwards. Reconciling reads the current state, never the event. Source of the
rules: k8s.io/client-go/util/workqueue and sigs.k8s.io/controller-runtime.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from k9lite.api.errors import ApiError
from k9lite.clock import Clock

log = logging.getLogger(__name__)

Key = tuple[str, ...]
"""(namespace, name), or what else names one piece of a controller's work."""

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one key to its desired state; the answer is RequeueAfter in seconds, or None."""

FIRST_RETRY = 0.005
LAST_RETRY = 60.0


class TerminalError(Exception):
    """Reconciling failed in a way that trying again cannot mend; the next change of the object starts anew."""


class Tasks:
    """Named background tasks: each end with an error is logged, and `stop` cancels and awaits them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended with an error", task.get_name(), exc_info=error)

    async def stop(self) -> None:
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class WorkQueue:
    """Keys that wait for a worker. `interval` is the least number of seconds between two turns of one key."""

    def __init__(self, name: str, clock: Clock, tasks: Tasks, *, interval: float = 0.0) -> None:
        self.name = name
        self._clock = clock
        self._tasks = tasks
        self._interval = interval
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._delayed: dict[Key, tuple[float, asyncio.Task[Any]]] = {}
        self._failures: dict[Key, int] = {}
        self._last_turn: dict[Key, float] = {}
        self._getters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs; what is delayed does not count."""
        return not self._ready and not self._running

    def add(self, key: Key) -> None:
        """Let the key be reconciled as soon as its turn may come."""
        if key in self._waiting:
            return
        if key in self._running:
            self._again.add(key)
            return
        if self._interval:
            due = self._last_turn.get(key, float("-inf")) + self._interval - self._clock.monotonic()
            if due > 0:
                self.add_after(key, due)
                return
        self._push(key)

    def _push(self, key: Key) -> None:
        self._waiting.add(key)
        self._ready.append(key)
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def add_after(self, key: Key, seconds: float) -> None:
        """Let it be reconciled in that time; the earliest of several wishes counts."""
        at = self._clock.monotonic() + seconds
        planned = self._delayed.get(key)
        if planned is not None:
            if planned[0] <= at:
                return
            planned[1].cancel()
        task = self._tasks.start(f"{self.name}-delay", self._add_later(key, seconds))
        self._delayed[key] = (at, task)

    async def _add_later(self, key: Key, seconds: float) -> None:
        await self._clock.sleep(seconds)
        del self._delayed[key]
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._push(key)

    def retry(self, key: Key) -> float:
        """Add it after its back-off; returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = float(min(FIRST_RETRY * 2 ** min(failures, 20), LAST_RETRY))
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: Key) -> None:
        """It succeeded: its next failure starts with the shortest back-off."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key; the caller has to call `done` with it."""
        while not self._ready:
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            await getter
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._running.add(key)
        if self._interval:
            self._note_turn(key)
        return key

    def _note_turn(self, key: Key) -> None:
        now = self._clock.monotonic()
        if len(self._last_turn) > 4096:  # keys whose interval is long over
            self._last_turn = {old: at for old, at in self._last_turn.items() if at + self._interval > now}
        self._last_turn[key] = now

    def done(self, key: Key) -> None:
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)


class Workers:
    """Reconciles the keys of one controller with `count` workers."""

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        *,
        clock: Clock,
        tasks: Tasks,
        before: Callable[[], None] = lambda: None,
        count: int = 4,
        interval: float = 0.0,
    ) -> None:
        self.name = name
        self.queue = WorkQueue(name, clock, tasks, interval=interval)
        self._reconcile = reconcile
        self._before = before
        self._tasks = tasks
        self._count = count

    def start(self) -> None:
        for number in range(self._count):
            self._tasks.start(f"{self.name}-{number}", self._work())

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._turn(key)
            finally:
                self.queue.done(key)

    async def _turn(self, key: Key) -> None:
        try:
            self._before()
            after = await self._reconcile(key)
        except TerminalError as error:
            log.warning("%s: %s: %s", self.name, "/".join(key), error)
            self.queue.forget(key)
        except ApiError as error:
            seconds = self.queue.retry(key)
            if error.reason != "Conflict":
                log.info("%s: %s: %s; again in %.3f s", self.name, "/".join(key), error, seconds)
        except Exception:
            seconds = self.queue.retry(key)
            log.exception("%s: %s failed; again in %.3f s", self.name, "/".join(key), seconds)
        else:
            self.queue.forget(key)
            if after is not None:
                self.queue.add_after(key, after)


async def in_parallel(work: list[Callable[[], Awaitable[Any]]], *, at_most: int = 64) -> list[Exception]:
    """Run all, in batches that share commits. Stops after the first batch with failures; returns those."""
    for start in range(0, len(work), at_most):
        results = await asyncio.gather(*(each() for each in work[start : start + at_most]), return_exceptions=True)
        failed = [result for result in results if isinstance(result, Exception)]
        if failed:
            return failed
    return []
