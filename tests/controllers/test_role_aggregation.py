"""Aggregated ClusterRoles hold what the roles they select hold."""

from __future__ import annotations

from typing import Any

from k9lite.api.catalog import CLUSTERROLES
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj
from k9lite.registry.default_roles import default_roles
from tests.controllers.plane import Plane
from tests.support.wait import eventually

RULE = {"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]}


def rules_of(plane: Plane, name: str) -> list[Any]:
    stored = plane.registry.store.get(CLUSTERROLES.key, "", name)
    assert stored is not None
    return stored.obj.get("rules") or []


async def test_rules_come_and_go_with_the_roles_that_hold_them(plane: Plane) -> None:
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    role: Obj = {"metadata": {"name": "widget-reader", "labels": labels}, "rules": [RULE]}
    await plane.registry.create(CLUSTERROLES, "", role)
    await eventually(lambda: all(RULE in rules_of(plane, name) for name in ("view", "edit", "admin")))
    await plane.registry.delete(CLUSTERROLES, "", "widget-reader", DeleteOptions())
    await eventually(lambda: not any(RULE in rules_of(plane, name) for name in ("view", "edit", "admin")))


async def test_the_default_roles_are_made_as_the_controller_leaves_them(plane: Plane) -> None:
    await eventually(lambda: plane.context.idle)
    for role in default_roles():
        assert rules_of(plane, role["metadata"]["name"]) == role["rules"]
