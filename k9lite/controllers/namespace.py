"""Empties a namespace that is being deleted, then lets it go.

Nothing is created in it any more; what an earlier request still brought in is deleted as it appears. Source:
k8s.io/kubernetes/pkg/controller/namespace/deletion/namespaced_resources_deleter.go.
"""

from __future__ import annotations

from functools import partial

from k9lite.api.catalog import NAMESPACES, PODS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, is_deleting, name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.controllers.context import Context
from k9lite.controllers.informers import Informer
from k9lite.controllers.runtime import Key, in_parallel

INTERVAL = 0.05
FINALIZER = "kubernetes"


class NamespaceController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._namespaces = context.of(NAMESPACES)
        self._workers = context.workers("namespace", self.reconcile, interval=INTERVAL)
        self._namespaces.on_change(self._namespace_changed)
        context.informers.each(self._follow)

    def _follow(self, informer: Informer) -> None:
        if informer.resource.namespaced:
            informer.on_change(self._content_changed)

    def _content(self) -> list[Resource]:
        """What a namespace may hold; what makes pods goes before them."""
        namespaced = (each for each in self._context.registry.served.each() if each.namespaced)
        return sorted(namespaced, key=lambda each: (each is PODS, not each.group))

    def _namespace_changed(self, verb: str, obj: Obj, _: Obj | None) -> None:
        if is_deleting(obj) or verb == "DELETED":
            self._workers.queue.add((name_of(obj),))

    def _content_changed(self, verb: str, obj: Obj, _: Obj | None) -> None:
        if verb == "MODIFIED":
            return
        space = self._namespaces.get("", namespace_of(obj))
        if is_deleting(space) if space is not None else verb == "ADDED":
            self._workers.queue.add((namespace_of(obj),))

    async def reconcile(self, key: Key) -> None:
        """Delete what is in the namespace; when nothing is, take the finalizer away."""
        (name,) = key
        space = self._namespaces.get("", name)
        if space is not None and not is_deleting(space):
            return
        content = self._content()
        for resource in content:
            await self._empty(resource, name)
        if space is None or any(self._context.registry.store.list(resource.key, name) for resource in content):
            return
        kept = [each for each in dig(space, "spec", "finalizers", default=[]) if each != FINALIZER]
        await self._context.registry.finalize_namespace(name, kept)

    async def _empty(self, resource: Resource, name: str) -> None:
        async def delete(obj: Obj) -> None:
            try:
                options = DeleteOptions(uid=uid_of(obj), propagation="Background")
                await self._context.registry.delete(resource, name, name_of(obj), options)
            except ApiError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise

        living = [each.obj for each in self._context.registry.store.list(resource.key, name)]
        failed = await in_parallel([partial(delete, obj) for obj in living if not is_deleting(obj)])
        if failed:
            raise failed[0]
