"""Ends CustomResourceDefinitions: their objects go first, then the finalizer that held the definition.

A definition that could not have its names is looked at again when another one goes. Source:
k8s.io/apiextensions-apiserver/pkg/controller/finalizer.
"""

from __future__ import annotations

from functools import partial

from k9lite.api.catalog import CUSTOMRESOURCEDEFINITIONS
from k9lite.api.errors import ApiError
from k9lite.api.kinds.apiextensions import CLEANUP
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, is_deleting, is_true, name_of, namespace_of, set_condition, uid_of
from k9lite.controllers.context import Context
from k9lite.controllers.informers import Informer
from k9lite.controllers.runtime import Key, in_parallel


class CustomResourceController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._definitions = context.of(CUSTOMRESOURCEDEFINITIONS)
        self._workers = context.workers("custom-resources", self.reconcile)
        self._definitions.on_change(self._definition_changed)
        context.informers.each(self._follow)

    def _follow(self, informer: Informer) -> None:
        if informer.resource.custom_schema is not None:
            informer.on_change(partial(self._object_changed, informer.resource.key))

    def _object_changed(self, definition: str, verb: str, _obj: Obj, _old: Obj | None) -> None:
        if verb == "DELETED" and is_deleting(self._definitions.get("", definition) or {}):
            self._workers.queue.add((definition,))

    def _definition_changed(self, verb: str, obj: Obj, _: Obj | None) -> None:
        if is_deleting(obj) and verb != "DELETED":
            self._workers.queue.add((name_of(obj),))
        for (_space, name), other in self._definitions.objects.items():
            if not is_true(other, "NamesAccepted"):
                self._workers.queue.add((name,))

    async def reconcile(self, key: Key) -> None:
        """End a definition that is being deleted; look again at the names of one that is not."""
        (name,) = key
        definition = self._definitions.get("", name)
        if definition is None:
            return
        mutate = partial(self._context.registry.mutate, CUSTOMRESOURCEDEFINITIONS, "", name)
        if not is_deleting(definition):
            await mutate(lambda fresh: fresh)  # its conditions follow from the other definitions
            return
        await mutate(partial(_ending, self._context.now()), subresource="status")
        if not await self._delete_objects(name):
            await mutate(_without_cleanup)

    async def _delete_objects(self, name: str) -> bool:
        """Delete what is left; whether anything is."""
        registry = self._context.registry
        resource = registry.served.by_key(name)
        if resource is None:
            return False

        async def delete(obj: Obj) -> None:
            try:
                await registry.delete(resource, namespace_of(obj), name_of(obj), DeleteOptions(uid=uid_of(obj)))
            except ApiError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise

        found = [stored.obj for stored in registry.store.list(resource.key)]
        failed = await in_parallel([partial(delete, obj) for obj in found if not is_deleting(obj)])
        if failed:
            raise failed[0]
        return bool(registry.store.list(resource.key))


def _ending(now: str, definition: Obj) -> Obj:
    why = "CustomResource deletion is in progress"
    condition = {"type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress", "message": why}
    set_condition(definition.setdefault("status", {}), condition, now)
    return definition


def _without_cleanup(definition: Obj) -> Obj | None:
    kept = [each for each in dig(definition, "metadata", "finalizers", default=[]) if each != CLEANUP]
    definition["metadata"]["finalizers"] = kept
    return definition
