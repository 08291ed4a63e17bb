"""Kinds served in two versions: each shows the same objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from k9lite.api.catalog import HPAS
from k9lite.api.errors import ApiError
from k9lite.api.kinds.autoscaling import HPAS_V1
from k9lite.api.kinds.events import EVENTS_V1
from k9lite.api.objects import Obj
from k9lite.client.rest import MERGE_PATCH, TABLE, KubeClient
from tests.support.server import running_server

V1 = HPAS_V1.path("default", "web")
V2 = HPAS.path("default", "web")


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[KubeClient]:
    async with running_server(tmp_path) as server:
        yield server.client


def hpa(api_version: str, **spec: Any) -> Obj:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": api_version,
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec},
    }


def cpu(percent: int) -> Obj:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "5Mi"}}}


async def test_what_v1_made_v2_shows_and_back(client: KubeClient) -> None:
    made = await client.create(HPAS_V1, "default", hpa("autoscaling/v1", targetCPUUtilizationPercentage=60))
    assert made["apiVersion"] == "autoscaling/v1"
    assert (made["spec"]["targetCPUUtilizationPercentage"], made["spec"]["minReplicas"]) == (60, 1)
    assert "metrics" not in made["spec"]
    newer = await client.request("GET", V2)
    assert (newer["apiVersion"], newer["spec"]["metrics"]) == ("autoscaling/v2", [cpu(60)])
    assert newer["metadata"]["uid"] == made["metadata"]["uid"]

    patch = {"spec": {"metrics": [cpu(70), MEMORY], "behavior": {"scaleDown": {"stabilizationWindowSeconds": 9}}}}
    newer = await client.request("PATCH", V2, body=patch, content_type=MERGE_PATCH)
    assert newer["spec"]["behavior"]["scaleUp"]["policies"][0] == {"type": "Pods", "value": 4, "periodSeconds": 15}
    older = await client.request("GET", V1)
    assert older["spec"]["targetCPUUtilizationPercentage"] == 70

    older = await client.request(
        "PATCH", V1, body={"spec": {"targetCPUUtilizationPercentage": 50}}, content_type=MERGE_PATCH
    )
    assert older["spec"]["targetCPUUtilizationPercentage"] == 50
    after = await client.request("GET", V2)
    assert after["spec"] == newer["spec"] | {"metrics": [cpu(50), MEMORY]}
    assert "annotations" not in after["metadata"] or after["metadata"]["annotations"] == {}


async def test_lists_watches_and_tables_speak_the_version_that_was_asked_for(client: KubeClient) -> None:
    await client.create(HPAS, "default", hpa("autoscaling/v2"))
    listed = await client.request("GET", HPAS_V1.path("default"))
    assert listed["apiVersion"] == "autoscaling/v1"
    assert [item["spec"]["targetCPUUtilizationPercentage"] for item in listed["items"]] == [80]
    shown = await client.request("GET", HPAS_V1.path("default"), accept=TABLE)
    assert shown["rows"][0]["cells"][:4] == ["web", "Deployment/web", "cpu: <unknown>/80%", "1"]
    async for verb, seen in client.watch(HPAS_V1, "default", since=0):
        assert (verb, seen["apiVersion"]) == ("ADDED", "autoscaling/v1")
        assert seen["spec"]["targetCPUUtilizationPercentage"] == 80
        break
    answer = await client.request("DELETE", V1)
    assert answer["status"] == "Success"
    with pytest.raises(ApiError, match=r'horizontalpodautoscalers.autoscaling "web" not found'):
        await client.request("GET", V2)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"maxReplicas": 0}, "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
        ({"minReplicas": 6}, "must be greater than or equal to `minReplicas`"),
        ({"scaleTargetRef": {}}, "spec.scaleTargetRef.kind: Required value"),
        ({"metrics": [{"type": "x"}]}, 'spec.metrics[0].type: Unsupported value: "x"'),
        ({"metrics": [{"type": "Pods"}]}, "spec.metrics[0].pods: Required value"),
    ],
)
async def test_what_breaks_a_rule_is_refused(client: KubeClient, spec: Obj, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        await client.create(HPAS, "default", hpa("autoscaling/v2", **spec))
    assert caught.value.code == 422
    assert words in str(caught.value)


async def test_an_event_of_either_group_is_in_both(client: KubeClient) -> None:
    regarding = {"kind": "Pod", "name": "a", "namespace": "default", "uid": "u"}
    event = {
        "metadata": {"name": "a.1"},
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": "me",
        "reportingInstance": "me-0",
        "action": "Go",
        "reason": "Went",
        "type": "Normal",
        "note": "it went",
        "regarding": regarding,
    }
    made = await client.create(EVENTS_V1, "default", {"apiVersion": "events.k8s.io/v1", "kind": "Event", **event})
    assert made["note"] == "it went"
    core = await client.request("GET", "/api/v1/namespaces/default/events/a.1")
    assert (core["apiVersion"], core["message"], core["involvedObject"]) == ("v1", "it went", regarding)
    assert core["reportingComponent"] == "me"
    for name, count in (("a", 1), ("b", 0)):
        found = await client.request(
            "GET", EVENTS_V1.path("default"), params={"fieldSelector": f"regarding.name={name}"}
        )
        assert len(found["items"]) == count
