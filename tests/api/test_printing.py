"""Cells as kubectl prints them."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.catalog import PODS, RESOURCES, SERVICES, by_key, by_kind, by_path, resolve
from k9lite.api.printing import age, human_duration, pod_ready, pod_status, ports_cell, restarts_cell
from k9lite.api.table import table
from k9lite.clock import rfc3339

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (192, "3m12s"), (600, "10m"), (10799, "179m"), (10800, "3h"),
        (3 * 3600 + 300, "3h5m"), (9 * 3600, "9h"), (50 * 3600, "2d2h"), (10 * 86400, "10d"), (3 * 365 * 86400, "3y"),
        (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_age() -> None:
    assert age(rfc3339(NOW - 65), NOW) == "65s"
    assert age(None, NOW) == age("nonsense", NOW) == "<unknown>"


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, "status": status}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (pod(phase="Pending"), "Pending"),
        (pod(phase="Pending", containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull"}}}]), "ErrImagePull"),
        (pod(phase="Running", containerStatuses=[{"ready": True, "state": {"running": {}}}]), "Running"),
        (pod(phase="Failed", containerStatuses=[{"state": {"terminated": {"exitCode": 3}}}]), "ExitCode:3"),
        (pod(phase="Failed", containerStatuses=[{"state": {"terminated": {"reason": "OOMKilled"}}}]), "OOMKilled"),
        (pod(phase="Pending", initContainerStatuses=[{"state": {"running": {}}}])
         | {"spec": {"initContainers": [{}, {}], "containers": [{}]}}, "Init:0/2"),
        ({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}, "Terminating"),
    ],
)  # fmt: skip
def test_pod_status(given: dict[str, Any], text: str) -> None:
    assert pod_status(given) == text


def test_ready_restarts_and_ports() -> None:
    ended = {"terminated": {"finishedAt": rfc3339(NOW - 120)}}
    given = pod(containerStatuses=[{"ready": True, "restartCount": 3, "lastState": ended}])
    assert (pod_ready(given), restarts_cell(given, NOW)) == ("1/1", "3 (2m ago)")
    assert ports_cell({"spec": {"ports": [{"port": 80, "nodePort": 31234}, {"port": 53, "protocol": "UDP"}]}}) == (
        "80:31234/TCP,53/UDP"
    )


def test_a_table_has_a_cell_for_each_column_of_every_kind() -> None:
    for resource in RESOURCES:
        obj = {"metadata": {"name": "x", "creationTimestamp": rfc3339(NOW - 5)}}
        answer = table(resource, [obj], "7", NOW)
        assert len(answer["rows"][0]["cells"]) == len(answer["columnDefinitions"]) == len(resource.columns)
        assert answer["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_kinds_are_found_by_every_name() -> None:
    assert resolve("PO") is resolve("pods") is resolve("Pod") is PODS
    assert resolve("deployments.apps") is resolve("deploy") is by_key("deployments.apps")
    assert by_kind("v1", "Service") is by_path("", "v1", "services") is SERVICES
    assert resolve("nonsense") is None
    assert by_key("deployments.apps").path("x", "y", "scale") == "/apis/apps/v1/namespaces/x/deployments/y/scale"
