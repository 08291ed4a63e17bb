"""The served API, measured by one Python client over TLS against a real control plane on the process engine.

The limits stem from the upstream API server with etcd on a machine of two cores (`note` gives its figures). Pods here
name a scheduler that does not exist, so that they are stored, listed and watched but never started.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import psutil

from benchmarks.report import Figure, show
from tests.support.cluster import Cluster, cluster

PODS = 5000
MAPS = 1000
READS = 500
CHANGES = 300
REPLICAS = 200
WATCHERS = 1000
SECONDS = 5
PER_SECOND = 50
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PODS_PATH = "/api/v1/namespaces/load/pods"
MAPS_PATH = "/api/v1/namespaces/load/configmaps"
DEPLOYMENTS_PATH = "/apis/apps/v1/namespaces/load/deployments"


def pod_spec() -> dict[str, Any]:
    """What makes a stored pod about 1.9 KB, as real ones are."""
    env = [{"name": f"SETTING_{number}", "value": "x" * 24} for number in range(12)]
    container = {"name": "main", "image": "registry.example/team/service:1.2.3", "env": env}
    return {"schedulerName": "nobody", "containers": [container | {"ports": [{"containerPort": 8080}]}]}


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "v" * 200}}


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Bench:
    """One running cluster, one client, and what was found so far."""

    def __init__(self, served: Cluster, session: aiohttp.ClientSession) -> None:
        self.served = served
        self.session = session
        self.process = psutil.Process(served.pid)
        self.figures: list[Figure] = []

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        data = None if body is None else orjson.dumps(body)
        kind = headers.pop("kind", "application/json")
        async with self.session.request(method, path, data=data, headers={"Content-Type": kind, **headers}) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
            return content

    def add(self, what: str, value: float, unit: str, target: float, note: str = "", *, at_most: bool = True) -> None:
        self.figures.append(Figure(what, value, unit, target, at_most, note))

    def rss(self) -> float:
        return self.process.memory_info().rss / 1e6

    # The single measurements --------------------------------------------------------------------------
    async def reads(self) -> None:
        await self.ask("POST", MAPS_PATH, config_map("one"))
        took = [await timed(lambda: self.ask("GET", f"{MAPS_PATH}/one")) for _ in range(READS)]
        self.add("GET one object, median", statistics.median(took) * 1e3, "ms", 0.7, "upstream 1.0-2.0")
        self.add("GET one object, p99", percentile(took, 0.99) * 1e3, "ms", 2.0, "upstream 3-5")

    async def writes(self) -> None:
        started = time.perf_counter()
        for number in range(MAPS):
            await self.ask("POST", MAPS_PATH, config_map(f"seq-{number}"))
        self.add(f"{MAPS} ConfigMaps in sequence", time.perf_counter() - started, "s", 1.2, "upstream 2.2-3.4")
        numbers = iter(range(MAPS))

        async def writer() -> None:
            for number in numbers:
                await self.ask("POST", MAPS_PATH, config_map(f"par-{number}"))

        took = await timed(lambda: asyncio.gather(*(writer() for _ in range(16))))
        self.add(f"{MAPS} ConfigMaps over 16 connections", took, "s", 0.5, "upstream 0.86-1.5")

    async def events(self) -> None:
        """From sending a create to seeing its event on a watch of another connection."""
        seen: dict[str, float] = {}
        lines = await self.watch(f"{MAPS_PATH}?watch=1&resourceVersion={await self.version(MAPS_PATH)}")

        async def follow() -> None:
            async for line in lines.content:
                seen[orjson.loads(line)["object"]["metadata"]["name"]] = time.perf_counter()
                if len(seen) == CHANGES:
                    return

        following = asyncio.create_task(follow())
        sent: dict[str, float] = {}
        for number in range(CHANGES):
            sent[f"event-{number}"] = time.perf_counter()
            await self.ask("POST", MAPS_PATH, config_map(f"event-{number}"))
        await asyncio.wait_for(following, 30)
        lines.close()
        took = [seen[name] - at for name, at in sent.items()]
        self.add("create to watch event, median", statistics.median(took) * 1e3, "ms", 1.5, "upstream 2.2-3.2")
        self.add("create to watch event, p99", percentile(took, 0.99) * 1e3, "ms", 5.0, "upstream 4.4-14")

    async def scale(self) -> None:
        labels = {"app": "scaled"}
        template = {"metadata": {"labels": labels}, "spec": pod_spec()}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scaled"}, "spec": spec}
        await self.ask("POST", DEPLOYMENTS_PATH, deployment)
        await asyncio.sleep(0.5)  # its replica set is made meanwhile
        lines = await self.watch(f"{PODS_PATH}?watch=1&resourceVersion={await self.version(PODS_PATH)}")
        started, names = time.perf_counter(), set()
        patch = {"spec": {"replicas": REPLICAS}}
        await self.ask("PATCH", f"{DEPLOYMENTS_PATH}/scaled/scale", patch, kind="application/merge-patch+json")
        async for line in lines.content:
            names.add(orjson.loads(line)["object"]["metadata"]["name"])
            if len(names) == REPLICAS:
                break
        lines.close()
        took = time.perf_counter() - started
        self.add(f"Deployment scaled 0 to {REPLICAS}, pods exist", took, "s", 0.25, "upstream 0.29")
        await self.ask("DELETE", f"{DEPLOYMENTS_PATH}/scaled")
        while orjson.loads(await self.ask("GET", PODS_PATH))["items"]:
            await asyncio.sleep(0.05)

    async def many_pods(self) -> None:
        numbers = iter(range(PODS))

        async def writer() -> None:
            for number in numbers:
                metadata = {"name": f"pod-{number:05d}", "labels": {"app": "load", "number": str(number)}}
                await self.ask(
                    "POST", PODS_PATH, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec()}
                )

        await asyncio.gather(*(writer() for _ in range(16)))
        took = [await timed(lambda: self.ask("GET", PODS_PATH)) for _ in range(5)]
        size = len(await self.ask("GET", PODS_PATH)) / 1e6
        self.add(f"LIST of {PODS} pods, JSON", min(took), "s", 0.08, f"{size:.1f} MB; upstream 0.23")
        took = [await timed(lambda: self.ask("GET", PODS_PATH, **TABLE)) for _ in range(3)]
        self.add(f"LIST of {PODS} pods, Table", min(took), "s", 0.3)
        self.add(f"RSS with {PODS} pods stored", self.rss(), "MB", 200, "upstream 1,000")

    async def crowd(self) -> None:
        """Many watchers on pods while pods change."""
        version = await self.version(PODS_PATH)
        before = self.rss()
        path = f"{PODS_PATH}?watch=1&resourceVersion={version}"
        watches = [await self.watch(path) for _ in range(WATCHERS)]
        total = SECONDS * PER_SECOND

        async def follow(lines: aiohttp.ClientResponse) -> int:
            count = 0
            async for _ in lines.content:
                count += 1
                if count == total:
                    break
            return count

        following = [asyncio.create_task(follow(lines)) for lines in watches]
        used, started = cpu(self.process), time.perf_counter()
        for number in range(total):
            patch = {"metadata": {"annotations": {"change": str(number)}}}
            await self.ask("PATCH", f"{PODS_PATH}/pod-{number:05d}", patch, kind="application/merge-patch+json")
            await asyncio.sleep(max(0.0, started + (number + 1) / PER_SECOND - time.perf_counter()))
        async with asyncio.timeout(60):
            counts = await asyncio.gather(*following)
        took = time.perf_counter() - started
        grown = self.rss() - before
        for lines in watches:
            lines.close()
        what = f"{WATCHERS} watchers, {PER_SECOND} changes/s"
        self.add(f"{what}: events delivered", sum(counts) / (total * WATCHERS), "share", 1.0, at_most=False)
        self.add(f"{what}: CPU", (cpu(self.process) - used) / took, "cores", 1.0)
        self.add(f"{what}: RSS growth", grown, "MB", 60)

    async def clear(self) -> None:
        took = await timed(lambda: self.ask("DELETE", PODS_PATH))
        self.add(f"delete {PODS} pods by collection", took, "s", 3.0, "upstream 17")

    # Parts ---------------------------------------------------------------------------------------------
    async def version(self, path: str) -> str:
        answer = orjson.loads(await self.ask("GET", f"{path}?limit=1"))
        return str(answer["metadata"]["resourceVersion"])

    async def watch(self, path: str) -> aiohttp.ClientResponse:
        answer = await self.session.get(path)
        answer.raise_for_status()
        return answer


async def timed(action: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await action()
    return time.perf_counter() - started


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure() -> list[Figure]:
    started = time.perf_counter()
    async with cluster("process") as served:
        cold = time.perf_counter() - started
        async with served.session() as session:
            bench = Bench(served, session)
            bench.add("cold start to /readyz", cold, "s", 0.8, "upstream 3.6-4.7")
            await bench.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "load"}})
            bench.add("RSS idle", bench.rss(), "MB", 90, "upstream 500")
            for step in (
                bench.reads,
                bench.writes,
                bench.events,
                bench.scale,
                bench.many_pods,
                bench.crowd,
                bench.clear,
            ):
                await step()
            return bench.figures


def main() -> list[Figure]:
    """Print the table."""
    import uvloop

    return show(uvloop.run(measure()))


if __name__ == "__main__":
    main()
