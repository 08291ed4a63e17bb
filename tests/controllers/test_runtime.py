"""The queue's promises, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from k9lite.api.errors import conflict
from k9lite.controllers.runtime import LAST_RETRY, Key, Tasks, TerminalError, Workers, WorkQueue, in_parallel
from tests.support.clock import FakeClock

A, B = ("default", "a"), ("default", "b")


@pytest_asyncio.fixture
async def tasks() -> AsyncIterator[Tasks]:
    made = Tasks()
    yield made
    await made.stop()


async def test_a_key_waits_once_and_keys_keep_their_order(tasks: Tasks) -> None:
    queue = WorkQueue("q", FakeClock(), tasks)
    for key in (A, B, A, A, B):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [A, B]


async def test_a_key_never_runs_twice_at_a_time_and_runs_again_if_added_meanwhile(tasks: Tasks) -> None:
    queue = WorkQueue("q", FakeClock(), tasks)
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert len(queue) == 1
    await queue.get()
    queue.done(A)
    assert queue.idle


async def test_back_off_doubles_to_its_limit_and_starts_anew_after_a_success(tasks: Tasks) -> None:
    queue = WorkQueue("q", FakeClock(), tasks)
    waits = []
    for _ in range(20):
        waits.append(queue.retry(A))
    assert waits[:4] == [0.005, 0.01, 0.02, 0.04]
    assert waits[-1] == LAST_RETRY
    assert queue.retry(B) == 0.005
    queue.forget(A)
    assert queue.retry(A) == 0.005


async def test_the_earliest_of_several_delays_counts(tasks: Tasks) -> None:
    clock = FakeClock()
    queue = WorkQueue("q", clock, tasks)
    queue.add_after(A, 10)
    queue.add_after(A, 2)
    queue.add_after(A, 5)
    await clock.advance(1.9)
    assert len(queue) == 0
    await clock.advance(0.2)
    assert len(queue) == 1
    queue.done(await queue.get())
    await clock.advance(20)
    assert len(queue) == 0


async def test_the_interval_lets_the_first_change_pass_and_gathers_the_others(tasks: Tasks) -> None:
    clock = FakeClock()
    queue = WorkQueue("q", clock, tasks, interval=1.0)
    queue.add(A)
    queue.done(await queue.get())
    for _ in range(100):
        queue.add(A)
    assert len(queue) == 0
    await clock.advance(1.0)
    assert len(queue) == 1
    queue.done(await queue.get())
    await clock.advance(5)
    queue.add(A)
    assert len(queue) == 1


class Work:
    """Does what its plan says, one step per turn: an exception is raised, a number asks to come again."""

    def __init__(self, plan: list[Exception | float | None]) -> None:
        self.plan = plan
        self.turns: list[Key] = []

    async def __call__(self, key: Key) -> float | None:
        self.turns.append(key)
        step = self.plan.pop(0) if self.plan else None
        if isinstance(step, Exception):
            raise step
        return step


async def run(tasks: Tasks, clock: FakeClock, work: Work) -> Workers:
    workers = Workers("w", work, clock=clock, tasks=tasks, count=2)
    workers.start()
    workers.queue.add(A)
    await clock.settle()
    return workers


async def test_failures_are_tried_again_and_success_ends_it(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    clock, work = FakeClock(), Work([ValueError("broken"), conflict("pods", "a"), None])
    await run(tasks, clock, work)
    assert len(work.turns) == 1
    assert "broken" in caplog.text
    await clock.advance(0.005)
    assert len(work.turns) == 2
    await clock.advance(0.01)
    await clock.advance(100)
    assert len(work.turns) == 3


async def test_a_terminal_error_is_said_and_not_tried_again(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    clock, work = FakeClock(), Work([TerminalError("no such engine")])
    workers = await run(tasks, clock, work)
    await clock.advance(1000)
    assert len(work.turns) == 1
    assert "no such engine" in caplog.text
    workers.queue.add(A)
    await clock.settle()
    assert len(work.turns) == 2


async def test_requeue_after_comes_again_in_that_time(tasks: Tasks) -> None:
    clock, work = FakeClock(), Work([30.0])
    await run(tasks, clock, work)
    await clock.advance(29)
    assert len(work.turns) == 1
    await clock.advance(1)
    assert len(work.turns) == 2


async def test_tasks_say_how_they_ended_and_all_end_at_stop(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise ValueError("lost")

    for_ever = tasks.start("waits", asyncio.Event().wait())
    failing = tasks.start("fails", fail())
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([failing])
        await asyncio.sleep(0)
    assert "fails ended with an error" in caplog.text
    await tasks.stop()
    assert for_ever.cancelled()


async def test_parallel_work_stops_after_the_batch_that_failed() -> None:
    done: list[int] = []

    async def step() -> None:
        done.append(1)
        if len(done) == 3:
            raise ValueError("third")

    failed = await in_parallel([step] * 10, at_most=4)
    assert [str(error) for error in failed] == ["third"]
    assert len(done) == 4
