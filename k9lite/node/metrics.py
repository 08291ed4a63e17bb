"""What pods and the node use, sampled every 5 seconds and kept in memory: the source of metrics.k8s.io.

CPU is the rate between the newest sample and the oldest of the last 15 seconds; a container younger than that is
measured from its start, so that a new pod has figures after one round. A container that ends takes its figures along.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from k9lite.api.catalog import PODS
from k9lite.api.objects import Obj, dig, labels_of, name_of, namespace_of
from k9lite.clock import Clock, parse_rfc3339, rfc3339
from k9lite.engines.base import EngineError, Usage
from k9lite.node.link import EngineLink
from k9lite.node.machine import machine_usage
from k9lite.store.store import Store

log = logging.getLogger("k9lite.node")

SAMPLE_SECONDS = 5.0
WINDOW_SECONDS = 15.0
"""As the kubelet's housekeeping interval and metrics-server's resolution."""
API_VERSION = "metrics.k8s.io/v1beta1"


@dataclass(slots=True)
class Series:
    """The samples of one container (or the node): (time, usage), the newest last."""

    samples: deque[tuple[float, Usage]] = field(default_factory=deque)

    def add(self, now: float, usage: Usage, started_at: float) -> None:
        if not self.samples and 0 < now - started_at <= WINDOW_SECONDS:
            self.samples.append((started_at, Usage(0.0, 0)))
        self.samples.append((now, usage))
        while len(self.samples) > 2 and self.samples[1][0] <= now - WINDOW_SECONDS:
            self.samples.popleft()

    def current(self) -> tuple[float, int, float, float] | None:
        """(cores, bytes, seconds measured over, time of the newest); None before there are two samples."""
        if len(self.samples) < 2:
            return None
        (before, first), (now, last) = self.samples[0], self.samples[-1]
        seconds = now - before
        cores = max(0.0, last.cpu_seconds - first.cpu_seconds) / seconds if seconds > 0 else 0.0
        return cores, last.memory_bytes, seconds, now


class Metrics:
    """Samples one node. What it answers are objects of the API."""

    def __init__(self, store: Store, links: Mapping[str, EngineLink], clock: Clock, node_name: str) -> None:
        self._store = store
        self._links = links
        self._clock = clock
        self._node_name = node_name
        self._containers: dict[str, Series] = {}
        """By containerID."""
        self._node = Series()

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            try:
                await self.sample()
            except Exception:  # the next round has its chance
                log.exception("the node could not be measured")
            await self._clock.sleep(SAMPLE_SECONDS)

    async def sample(self) -> None:
        """One round. An engine that is away leaves its containers without figures."""
        running = self._running()
        by_engine: dict[str, list[str]] = {}
        for container in running:
            engine, _, name = container.partition("://")
            by_engine.setdefault(engine, []).append(name)
        node = await asyncio.to_thread(machine_usage)
        answers = await asyncio.gather(*(self._ask(engine, names) for engine, names in by_engine.items()))
        now = self._clock.time()
        kept: dict[str, Series] = {}
        for engine, found in zip(by_engine, answers, strict=True):
            for name, usage in found.items():
                container = f"{engine}://{name}"
                series = kept[container] = self._containers.get(container) or Series()
                series.add(now, usage, running[container])
        self._containers = kept
        if node is not None:
            self._node.add(now, node, 0.0)

    def _running(self) -> dict[str, float]:
        """containerID -> when it started, of all that run."""
        found: dict[str, float] = {}
        for stored in self._store.list(PODS.key):
            status = stored.obj.get("status") or {}
            for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
                started = dig(each, "state", "running", "startedAt")
                if started and each.get("containerID"):
                    found[each["containerID"]] = parse_rfc3339(started)
        return found

    async def _ask(self, engine: str, names: list[str]) -> dict[str, Usage]:
        link = self._links.get(engine)
        if link is None or not link.available:
            return {}
        try:
            return await link.engine.stats(names)
        except EngineError as error:
            log.debug("engine %s: no figures this time: %s", engine, error)
            return {}

    # Answers -----------------------------------------------------------------------------------------
    def pod_metrics(self) -> list[Obj]:
        """A PodMetrics for each pod whose running containers all have figures, ordered as pods are."""
        found = (self._pod(stored.obj) for stored in self._store.list(PODS.key))
        return [metrics for metrics in found if metrics is not None]

    def _pod(self, pod: Obj) -> Obj | None:
        statuses = dig(pod, "status", "containerStatuses", default=[])
        running = [each for each in statuses if dig(each, "state", "running")]
        measured: list[Obj] = []
        newest, window = 0.0, 0.0
        for each in running:
            series = self._containers.get(each.get("containerID", ""))
            current = series.current() if series is not None else None
            if current is None:
                return None
            cores, memory, seconds, at = current
            newest, window = max(newest, at), max(window, seconds)
            measured.append({"name": each["name"], "usage": _usage(cores, memory)})
        if not measured:
            return None
        metadata = {"name": name_of(pod), "namespace": namespace_of(pod), "labels": labels_of(pod)}
        return _object("PodMetrics", metadata, newest, window) | {"containers": measured}

    def node_metrics(self) -> list[Obj]:
        """The NodeMetrics of this node, once there are figures."""
        current = self._node.current()
        if current is None:
            return []
        cores, memory, window, at = current
        return [_object("NodeMetrics", {"name": self._node_name}, at, window) | {"usage": _usage(cores, memory)}]


def _object(kind: str, metadata: Obj, at: float, window: float) -> Obj:
    made = {**metadata, "creationTimestamp": rfc3339(at)}
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {key: value for key, value in made.items() if value},
        "timestamp": rfc3339(at),
        "window": f"{window:.3f}".rstrip("0").rstrip(".") + "s",
    }


def _usage(cores: float, memory: int) -> Obj:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{memory // 1024}Ki"}
