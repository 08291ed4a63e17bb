"""Fills aggregated ClusterRoles with the rules of the ClusterRoles that they select.

Source: k8s.io/kubernetes/pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go.
"""

from __future__ import annotations

from k9lite.api.catalog import CLUSTERROLES
from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.rbac import aggregated_rules
from k9lite.controllers.context import Context
from k9lite.controllers.runtime import Key


class RoleAggregation:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._roles = context.of(CLUSTERROLES)
        self._workers = context.workers("clusterrole-aggregation", self.reconcile, count=1)
        self._roles.on_change(self._role_changed)

    def _role_changed(self, *_: object) -> None:
        """Any role may have come into, or gone out of, any selection."""
        for role in self._roles.objects.values():
            if dig(role, "aggregationRule", "clusterRoleSelectors"):
                self._workers.queue.add((name_of(role),))

    async def reconcile(self, key: Key) -> None:
        """Give the role the rules of those it selects, in the order of their names, each once."""
        (name,) = key
        role = self._roles.get("", name)
        rules = aggregated_rules(role, self._roles.objects.values()) if role is not None else None
        if role is None or rules is None or rules == (role.get("rules") or []):
            return

        def change(obj: Obj) -> Obj:
            obj["rules"] = rules
            return obj

        await self._context.registry.mutate(CLUSTERROLES, "", name, change)
