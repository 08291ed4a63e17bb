"""The pods table at 5,000 pods of which 5 % change each second: what drawing costs, and how fast a key is answered."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from textual.app import App, ComposeResult
from textual.events import Key
from textual.strip import Strip

from benchmarks.report import Figure, show
from k9lite.api.objects import Obj, copy_of
from k9lite.clock import rfc3339
from k9lite.tui import theming
from k9lite.tui.model import RowModel
from k9lite.tui.views import PodsView
from k9lite.tui.widgets.resource_table import ResourceTable

PODS = 5000
CHANGED_SHARE = 0.05
FLUSHES = 4
"""A second, as the screens do."""
SECONDS = 8
KEYS = 60
STATES: tuple[Obj, ...] = ({"running": {}}, {"waiting": {"reason": "CrashLoopBackOff"}})


def _pod(number: int, started: float) -> Obj:
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number // 10:04d}-7d4b9c6f5-{number:05d}",
            "namespace": f"team-{number % 20}",
            "uid": f"uid-{number}",
            "creationTimestamp": rfc3339(started - number),
        },
        "spec": {"nodeName": "node", "containers": [{"name": "c", "image": "nginx:1.27"}]},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{number // 250}.{number % 250}",
            "containerStatuses": [{"name": "c", "ready": True, "restartCount": 0, "state": STATES[0]}],
        },
    }


def _changed(pod: Obj, state: Obj) -> Obj:
    """Another state and one restart more: three cells change."""
    pod = copy_of(pod)
    status = pod["status"]["containerStatuses"][0]
    status.update(state=state, ready="running" in state, restartCount=status["restartCount"] + 1)
    return pod


class _Timed(ResourceTable):
    """Says when a line was drawn."""

    def __init__(self, model: RowModel) -> None:
        super().__init__(model)
        self.drawn = asyncio.Event()

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        self.drawn.set()
        return strip


class _Bench(App[None]):
    def __init__(self, model: RowModel) -> None:
        super().__init__()
        self.table = _Timed(model)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theming.role_defaults()

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        theming.install(self)
        self.theme = theming.DEFAULT_THEME
        self.table.focus()


async def _drive(app: _Bench, pods: list[Obj], chosen: random.Random) -> float:
    """SECONDS of changes; CPU seconds a second."""
    table, per_flush = app.table, int(PODS * CHANGED_SHARE / FLUSHES)
    batches = []
    for _ in range(SECONDS * FLUSHES):
        batch = []
        for number in chosen.sample(range(PODS), per_flush):
            pods[number] = _changed(pods[number], chosen.choice(STATES))
            batch.append(pods[number])
        batches.append(batch)
    cpu, begin = time.process_time(), time.perf_counter()
    for at, batch in enumerate(batches, 1):
        for pod in batch:
            table.model.apply("MODIFIED", pod)
        table.flush()
        await asyncio.sleep(max(0.0, begin + at / FLUSHES - time.perf_counter()))
    return (time.process_time() - cpu) / (time.perf_counter() - begin)


async def _idle() -> float:
    """The same app without changes: Textual's own timers."""
    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.sleep(3)
    return (time.process_time() - cpu) / (time.perf_counter() - begin)


async def _keys(app: _Bench) -> list[float]:
    """Milliseconds from each key to the line that shows the cursor."""
    taken = []
    driver = app._driver
    assert driver is not None
    for number in range(KEYS):
        key = ("down", "down", "pagedown", "up")[number % 4]
        app.table.drawn.clear()
        began = time.perf_counter()
        driver.send_message(Key(key, None))
        await app.table.drawn.wait()
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.02)
    return taken


async def _measure() -> list[Figure]:
    started, chosen = time.time(), random.Random(1)
    pods = [_pod(number, started) for number in range(PODS)]
    app = _Bench(RowModel(PodsView(), time.time))
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        app.table.drawn.clear()
        began = time.perf_counter()
        app.table.set_state()
        app.table.model.replace(pods)
        app.table.flush()
        await app.table.drawn.wait()
        first = (time.perf_counter() - began) * 1000
        idle = await _idle()
        by_name = await _drive(app, pods, chosen)
        app.table.action_sort("Status")
        by_status = await _drive(app, pods, chosen)
        app.table.action_sort("Name")
        app.table.model.set_filter("crash")
        filtered = await _drive(app, pods, chosen)
        app.table.model.set_filter("")
        app.table.flush()
        await pilot.pause()
        keys = await _keys(app)
    size = f"200x50, {PODS:,} pods, {CHANGED_SHARE:.0%}/s in {FLUSHES} flushes/s"
    return [
        Figure("CPU of one core, sorted by name", by_name * 100, "%", 5, note=f"{size}; idle {idle:.1%}"),
        Figure("CPU of one core, sorted by what changes", by_status * 100, "%", 5, note="rows move at each flush"),
        Figure("CPU of one core, filtered by what changes", filtered * 100, "%", 5, note="rows come and go"),
        Figure("key to paint, median", statistics.median(keys), "ms", 50, note=f"{KEYS} keys"),
        Figure("key to paint, worst", max(keys), "ms", 100),
        Figure("rows to first paint", first, "ms", 300, note=f"{PODS:,} pods handed over at once"),
    ]


def main() -> list[Figure]:
    return show(asyncio.run(_measure()))


if __name__ == "__main__":
    main()
