"""ResourceQuotas at admission: nothing is written that would use more than a namespace may.

What is used is counted from the store and from the writes that are under way, so that writes at the same time never
take more than there is. Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from k9lite.api import quantity
from k9lite.api.catalog import PODS, RESOURCEQUOTAS
from k9lite.api.errors import forbidden
from k9lite.api.objects import Obj, dig, name_of, namespace_of, uid_of
from k9lite.api.quota_usage import Usage, counts, shown, total, unspecified, usage_of
from k9lite.api.resources import Resource
from k9lite.registry.served import Served
from k9lite.store.store import Store


class Quotas:
    """One for each registry."""

    def __init__(self, store: Store, served: Served) -> None:
        self._store = store
        self._served = served
        self._under_way: dict[str, tuple[Resource, Obj]] = {}
        """uid -> what is being created."""

    def used(self, quota: Obj, *, but: str = "") -> Usage:
        """What the objects of the quota's namespace use of it, save the one of that uid."""
        space = namespace_of(quota)
        return total(
            usage_of(resource, obj)
            for resource, obj in self._objects(space)
            if uid_of(obj) != but and counts(quota, resource, obj)
        )

    def _objects(self, space: str) -> Iterator[tuple[Resource, Obj]]:
        stored: set[str] = set()
        for resource in self._served.each():
            if resource.namespaced:
                for found in self._store.list(resource.key, space):
                    stored.add(uid_of(found.obj))
                    yield resource, found.obj
        for uid, (resource, obj) in self._under_way.items():
            if uid not in stored and namespace_of(obj) == space:
                yield resource, obj

    @contextmanager
    def reserved(self, resource: Resource, new: Obj, old: Obj | None) -> Iterator[None]:
        """Around a write: what it uses counts for others from here on. Raises ApiError 403."""
        quotas = self._store.list(RESOURCEQUOTAS.key, namespace_of(new)) if resource.namespaced else []
        if not quotas:
            yield
            return
        for stored in quotas:
            if counts(stored.obj, resource, new):
                self._check(stored.obj, resource, new, old)
        if old is not None:
            yield
            return
        self._under_way[uid_of(new)] = (resource, new)
        try:
            yield
        finally:
            del self._under_way[uid_of(new)]

    def _check(self, quota: Obj, resource: Resource, new: Obj, old: Obj | None) -> None:
        hard = dig(quota, "spec", "hard", default={})
        if resource is PODS and old is None and (missing := unspecified(quota, new)):
            why = f"failed quota: {name_of(quota)}: must specify {'; '.join(missing)}"
            raise forbidden(resource.key, name_of(new), why)
        before = usage_of(resource, old) if old is not None else {}
        wanted = usage_of(resource, new)
        more = {name: wanted[name] - before.get(name, Decimal(0)) for name in hard if name in wanted}
        more = {name: amount for name, amount in more.items() if amount > 0}
        if not more:
            return
        used = self.used(quota, but=uid_of(new))
        now = {name: used.get(name, Decimal(0)) + before.get(name, Decimal(0)) for name in more}
        over = sorted(name for name in more if now[name] + more[name] > quantity.parse(hard[name]))
        if over:
            asked, has, may = (
                ",".join(f"{name}={amounts[name]}" for name in over)
                for amounts in (
                    {name: shown(name, more[name]) for name in over},
                    {name: shown(name, now[name]) for name in over},
                    hard,
                )
            )
            why = f"exceeded quota: {name_of(quota)}, requested: {asked}, used: {has}, limited: {may}"
            raise forbidden(resource.key, name_of(new), why)
