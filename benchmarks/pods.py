"""From 0 to 200 ready pods on the process engine: store, registry and node agent in one process, as when serving."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Figure, show
from k9lite.api.catalog import PODS
from k9lite.api.objects import is_true
from k9lite.clock import SystemClock
from k9lite.engines.process import ProcessEngine
from k9lite.node.agent import NodeAgent, remove_all
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry
from k9lite.settings import Settings
from k9lite.store.store import Store

COUNT = 200
TARGET = 100.0


class NoTraffic:
    """There is no proxy to drain."""

    async def drain(self, addresses: Sequence[tuple[str, int]], seconds: float) -> None:
        return None


async def measure(home: Path) -> tuple[float, float, float]:
    """Ready pods a second, CPU seconds of this process, writes per pod."""
    settings, clock = Settings(home=home), SystemClock()
    cluster = f"bench{os.getpid()}"
    store = await Store.open(settings.data / "store", clock=clock, history_seconds=3600, history_bytes=1 << 28)
    registry = Registry(store, clock)
    await bootstrap(registry)
    recorder = EventRecorder(registry, "kubelet", "bench")
    agent = NodeAgent(
        registry, {"process": ProcessEngine(settings, cluster)}, default_engine="process", cluster_id=cluster,
        node_name="bench", settings=settings, drainer=NoTraffic(), clock=clock, recorder=recorder,
    )  # fmt: skip
    try:
        await agent.start()
        before, started, cpu = store.rv, time.perf_counter(), time.process_time()
        ready: set[str] = set()
        async with store.watch(PODS.key) as watch:
            creating = asyncio.create_task(create(registry))
            async for event in watch:
                if is_true(event.stored.obj, "Ready"):
                    ready.add(event.name)
                if len(ready) == COUNT:
                    break
            took, used = time.perf_counter() - started, time.process_time() - cpu
            await creating
        return COUNT / took, used, (store.rv - before) / COUNT
    finally:
        await agent.stop()
        await remove_all({"process": ProcessEngine(settings, cluster)})
        await recorder.close()
        await store.close()


async def create(registry: Registry) -> None:
    """All pods at once, bound already."""
    spec = {"nodeName": "bench", "containers": [{"name": "main", "image": "k9lite/whoami"}]}
    await asyncio.gather(
        *(
            registry.create(
                PODS, "default",
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}"}, "spec": dict(spec)},
            )
            for number in range(COUNT)
        )
    )  # fmt: skip


def main() -> list[Figure]:
    """Measure and print the table."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="k9lite-bench-", ignore_cleanup_errors=True) as directory:
        rate, cpu, writes = uvloop.run(measure(Path(directory)))
    note = f"{cpu / COUNT * 1000:.1f} ms of our CPU and {writes:.1f} writes a pod, events included"
    return show([Figure(f"process engine, 0 to {COUNT} ready pods", rate, "pods/s", TARGET, False, note)])


if __name__ == "__main__":
    main()
