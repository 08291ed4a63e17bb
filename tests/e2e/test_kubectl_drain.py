"""kubectl cordon and drain: pods are evicted as far as their budgets allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, every_kubectl
from tests.support.cluster import cluster
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@every_kubectl
async def test_drain_stops_where_a_budget_is_reached(tmp_path: Path, version: str) -> None:
    async with cluster() as own:
        kubectl = Kubectl(own, version)
        await kubectl.ok("create", "deployment", "web", "--image=host", "--replicas=2", "--", "sleep", "1000")
        await kubectl.ok("rollout", "status", "deployment/web", "--timeout=30s")
        await kubectl.ok("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=1")

        async def allowed() -> str:
            return await kubectl.ok("get", "pdb", "web", "-o", "jsonpath={.status.disruptionsAllowed}")

        async def allows_one() -> bool:
            return await allowed() == "1"

        await eventually(allows_one)
        (node,) = [item["metadata"]["name"] for item in (await kubectl.get("nodes"))["items"]]
        assert f"node/{node} cordoned" in await kubectl.ok("cordon", node)
        assert "SchedulingDisabled" in await kubectl.ok("get", "nodes")
        refused = await kubectl.fails("drain", node, "--timeout=3s", "--grace-period=1")
        assert "Cannot evict pod as it would violate the pod's disruption budget." in refused
        assert await allowed() == "0"
        listed = await kubectl.ok("get", "pdb")
        assert listed.splitlines()[0].split() == [
            "NAME",
            "MIN",
            "AVAILABLE",
            "MAX",
            "UNAVAILABLE",
            "ALLOWED",
            "DISRUPTIONS",
            "AGE",
        ]
        assert listed.splitlines()[1].split()[:4] == ["web", "1", "N/A", "0"]
        assert f"node/{node} uncordoned" in await kubectl.ok("uncordon", node)
        await kubectl.ok("rollout", "status", "deployment/web", "--timeout=30s")
        await kubectl.ok("delete", "pdb", "web")
        assert f"node/{node} drained" in await kubectl.ok("drain", node, "--timeout=60s", "--grace-period=1")
