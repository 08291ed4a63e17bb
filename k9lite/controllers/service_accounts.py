"""Gives each namespace its ServiceAccount `default`, which pods use that name none.

Source: k8s.io/kubernetes/pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from __future__ import annotations

from k9lite.api.catalog import NAMESPACES, SERVICEACCOUNTS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, is_deleting, name_of, namespace_of
from k9lite.controllers.context import Context
from k9lite.controllers.runtime import Key

DEFAULT = "default"


class ServiceAccountController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._namespaces = context.of(NAMESPACES)
        self._accounts = context.of(SERVICEACCOUNTS)
        self._workers = context.workers("service-accounts", self.reconcile)
        self._namespaces.on_change(self._namespace_changed)
        self._accounts.on_change(self._account_changed)

    def _namespace_changed(self, verb: str, obj: Obj, _: Obj | None) -> None:
        if verb == "ADDED":
            self._workers.queue.add((name_of(obj),))

    def _account_changed(self, verb: str, obj: Obj, _: Obj | None) -> None:
        if verb == "DELETED" and name_of(obj) == DEFAULT:
            self._workers.queue.add((namespace_of(obj),))

    async def reconcile(self, key: Key) -> None:
        """Create the account where it is missing and the namespace stays."""
        (space,) = key
        namespace = self._namespaces.get("", space)
        if namespace is None or is_deleting(namespace) or self._accounts.get(space, DEFAULT):
            return
        try:
            await self._context.registry.create(SERVICEACCOUNTS, space, {"metadata": {"name": DEFAULT}})
        except ApiError as error:
            if error.reason not in ("AlreadyExists", "Forbidden", "NotFound"):
                raise
