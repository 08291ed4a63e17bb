"""The status of quotas says what is used."""

from __future__ import annotations

from k9lite.api.catalog import DEPLOYMENTS, RESOURCEQUOTAS
from k9lite.api.objects import Obj
from tests.controllers.plane import Plane, deployment
from tests.support.wait import eventually


async def test_used_follows_the_pods(plane: Plane) -> None:
    registry = plane.registry
    spec = {"hard": {"pods": "2", "count/deployments.apps": "5"}}
    await registry.create(RESOURCEQUOTAS, "default", {"metadata": {"name": "q"}, "spec": spec})

    def status() -> Obj:
        stored = registry.store.get(RESOURCEQUOTAS.key, "default", "q")
        return dict(stored.obj.get("status") or {}) if stored else {}

    await eventually(lambda: status().get("used") == {"pods": "0", "count/deployments.apps": "0"})
    await registry.create(DEPLOYMENTS, "default", deployment(replicas=3))
    await eventually(lambda: status()["used"] == {"pods": "2", "count/deployments.apps": "1"})
    assert status()["hard"] == spec["hard"]
    await registry.delete(DEPLOYMENTS, "default", "web")
    await eventually(lambda: status()["used"] == {"pods": "0", "count/deployments.apps": "0"})
