"""Keeps the status of ResourceQuotas: what may be used, and what is.

Source: k8s.io/kubernetes/pkg/controller/resourcequota/resource_quota_controller.go.
"""

from __future__ import annotations

from decimal import Decimal

from k9lite.api.catalog import RESOURCEQUOTAS
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.api.quota_usage import shown
from k9lite.controllers.context import Context
from k9lite.controllers.informers import namespace
from k9lite.controllers.runtime import Key

INTERVAL = 0.1
"""Seconds between two countings of one quota: while many objects come, each counting takes in many."""


class QuotaStatusController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._quotas = context.of(RESOURCEQUOTAS)
        self._quotas.index(namespace)
        self._workers = context.workers("quota-status", self.reconcile, count=1, interval=INTERVAL)
        context.informers.each(lambda informer: informer.on_change(self._changed))

    def _changed(self, verb: str, obj: Obj, _: Obj | None) -> None:
        if not self._quotas.objects or obj.get("kind") == "Event":
            return
        for quota in self._quotas.by(namespace, namespace_of(obj)):
            self._workers.queue.add((namespace_of(quota), name_of(quota)))

    async def reconcile(self, key: Key) -> None:
        """Count, and write what differs."""
        quota = self._quotas.get(*key)
        if quota is None:
            return
        used = self._context.registry.quotas.used(quota)
        hard = dig(quota, "spec", "hard", default={})
        counted = {name: shown(name, used.get(name, Decimal(0))) for name in hard}
        status = {"hard": hard, "used": counted}
        if quota.get("status") == status:
            return

        def change(fresh: Obj) -> Obj:
            fresh["status"] = status
            return fresh

        await self._context.registry.mutate(RESOURCEQUOTAS, key[0], key[1], change, subresource="status")
