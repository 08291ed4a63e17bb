"""Each namespace has its default ServiceAccount."""

from __future__ import annotations

from k9lite.api.catalog import NAMESPACES, SERVICEACCOUNTS
from tests.controllers.plane import Plane
from tests.support.wait import eventually


async def test_every_namespace_has_a_default_account_that_comes_back(plane: Plane) -> None:
    registry = plane.registry
    await registry.create(NAMESPACES, "", {"metadata": {"name": "team"}})

    def accounts() -> set[str]:
        return {stored.obj["metadata"]["namespace"] for stored in registry.store.list(SERVICEACCOUNTS.key)}

    await eventually(lambda: accounts() >= {"default", "kube-system", "team"})
    await registry.delete(SERVICEACCOUNTS, "team", "default")
    await eventually(lambda: "team" in accounts())
    await registry.delete(NAMESPACES, "", "team")
    await eventually(lambda: registry.store.get(NAMESPACES.key, "", "team") is None)
    assert "team" not in accounts()
