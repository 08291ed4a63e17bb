"""What the node measures of its pods and itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from k9lite.engines.base import EngineUnavailable, Usage
from k9lite.engines.process import ProcessEngine
from k9lite.node.machine import machine_usage
from k9lite.node.metrics import Series
from tests.node.conftest import CLUSTER, Rig
from tests.support.wait import eventually

MIB = 1 << 20


def test_cpu_is_a_rate_over_the_last_seconds() -> None:
    series = Series()
    series.add(100.0, Usage(50.0, MIB), started_at=10.0)
    assert series.current() is None
    for second in (5, 10, 15, 20, 25):
        series.add(100.0 + second, Usage(50.0 + second * 0.5, second * MIB), 10.0)
    assert series.current() == (0.5, 25 * MIB, 15.0, 125.0)
    assert len(series.samples) == 4


def test_a_young_container_is_measured_from_its_start() -> None:
    series = Series()
    series.add(104.0, Usage(2.0, MIB), started_at=100.0)
    assert series.current() == (0.5, MIB, 4.0, 104.0)


def test_time_that_runs_backwards_gives_no_negative_rate() -> None:
    series = Series()
    for used in (5.0, 4.0):
        series.add(100.0 - used, Usage(used, MIB), 0.0)
    current = series.current()
    assert current is not None
    assert current[0] == 0.0


def test_the_machine(tmp_path: Path) -> None:
    found = machine_usage()
    assert found is not None
    assert found.cpu_seconds > 0
    assert found.memory_bytes > MIB
    assert machine_usage(tmp_path) is None
    (tmp_path / "stat").write_text("cpu  100 200 300 9000 50 10 20 30 70 80\n")
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   40 kB\n")
    used = machine_usage(tmp_path)
    assert used is not None
    assert used.memory_bytes == 60 * 1024
    assert round(used.cpu_seconds * os.sysconf("SC_CLK_TCK")) == 660


async def test_pods_and_node_have_figures(node: Rig) -> None:
    assert node.agent is not None
    rig, metrics = node, node.agent.metrics
    await rig.pod("busy", "sh", "-c", "while :; do :; done")
    await rig.pod("ended", "true", spec={"restartPolicy": "Never"})
    await rig.running("busy")

    async def measured() -> bool:
        await metrics.sample()
        found = metrics.pod_metrics()
        return bool(found and found[0]["containers"][0]["usage"]["cpu"] != "0n" and metrics.node_metrics())

    await eventually(measured)
    (pod,) = metrics.pod_metrics()
    assert pod["metadata"]["name"] == "busy"
    assert pod["containers"][0]["name"] == "main"
    (machine,) = metrics.node_metrics()
    assert machine["metadata"]["name"] == "here"
    assert machine["usage"]["memory"].endswith("Ki")


class NoFigures(ProcessEngine):
    """The process engine, when it cannot be asked."""

    async def stats(self, containers: Sequence[str]) -> dict[str, Usage]:
        raise EngineUnavailable("away")


async def test_an_engine_that_is_away_leaves_the_node_measured(rig: Rig) -> None:
    await rig.stop()
    agent = await rig.start({"process": NoFigures(rig.settings, CLUSTER)})
    await rig.pod("p", "sleep", "60")
    await rig.running("p")

    async def measured() -> bool:
        await agent.metrics.sample()
        return bool(agent.metrics.node_metrics())

    await eventually(measured)
    assert agent.metrics.pod_metrics() == []
