"""Deletes what has lost its owners, and carries out Foreground and Orphan deletions.

    Background  the owner is gone at once; dependents follow when none of their owners is left
    Foreground  the owner waits (finalizer foregroundDeletion) until no dependent that blocks it is left
    Orphan      the owner waits (finalizer orphan) until its dependents no longer refer to it

Owners are known by uid: one with the same name and another uid is a stranger. Source:
k8s.io/kubernetes/pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, is_deleting, name_of, namespace_of, uid_of, version_of
from k9lite.api.resources import Resource
from k9lite.controllers.context import Context
from k9lite.controllers.informers import Informer, owners
from k9lite.controllers.ownership import without_owners
from k9lite.controllers.runtime import Key, in_parallel
from k9lite.registry.deletion import FOREGROUND, ORPHAN

MAX_GONE = 4096

Dependent = tuple[Resource, Obj]


def _finalizers(obj: Obj) -> list[str]:
    return list(dig(obj, "metadata", "finalizers", default=[]))


def is_going_in_foreground(obj: Obj) -> bool:
    return is_deleting(obj) and FOREGROUND in _finalizers(obj)


class GarbageCollector:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._served = context.registry.served
        self._workers = context.workers("garbage-collector", self.reconcile, count=32)
        self._gone: OrderedDict[str, None] = OrderedDict()
        """Uids of owners seen going: their kind may have gone with them, and then nobody else knows."""
        context.informers.each(lambda informer: informer.on_change(partial(self._changed, informer)))

    # Events ------------------------------------------------------------------------------------------
    def _add(self, resource: Resource, obj: Obj) -> None:
        self._workers.queue.add((resource.key, namespace_of(obj), name_of(obj)))

    def _changed(self, informer: Informer, verb: str, obj: Obj, old: Obj | None) -> None:
        resource, references = informer.resource, owners(obj)
        if verb == "DELETED":
            dependents = self._dependents(obj)
            if dependents:
                self._remember_gone(uid_of(obj))
            for kind, dependent in dependents:
                self._add(kind, dependent)
            self._recheck_owners(references)
            return
        if is_deleting(obj):
            if ORPHAN in _finalizers(obj) or FOREGROUND in _finalizers(obj):
                self._add(resource, obj)
            return
        if references and (old is None or owners(old) != references):
            if any(uid not in self._context.informers.uids for uid in references):
                self._add(resource, obj)
            self._recheck_owners(references)
        if old is not None and owners(old) != references:
            self._recheck_owners(owners(old))

    def _remember_gone(self, uid: str) -> None:
        self._gone[uid] = None
        while len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

    def _recheck_owners(self, uids: list[str]) -> None:
        """Owners that wait for their dependents may be done waiting, or have a new one to delete."""
        for uid in uids:
            owner = self._context.informers.owner(uid)
            if owner is not None and is_going_in_foreground(owner):
                self._workers.queue.add(self._context.informers.uids[uid])

    def _dependents(self, owner: Obj) -> list[Dependent]:
        uid = uid_of(owner)
        return [
            (informer.resource, obj) for informer in self._context.informers.all() for obj in informer.by(owners, uid)
        ]

    # Reconciling -------------------------------------------------------------------------------------
    async def reconcile(self, key: Key) -> None:
        """Do for one object what its owners and finalizers ask for."""
        resource = self._served.by_key(key[0])
        obj = self._context.of(resource).get(key[1], key[2]) if resource is not None else None
        if resource is None or obj is None:
            return
        if is_deleting(obj):
            if ORPHAN in _finalizers(obj):
                await self._orphan(resource, obj)
            elif FOREGROUND in _finalizers(obj):
                await self._delete_in_foreground(resource, obj)
            return
        await self._judge(resource, obj)

    async def _judge(self, resource: Resource, obj: Obj) -> None:
        """Delete an object none of whose owners is left; forget the owners that are not."""
        solid, absent, waiting = self._sort_owners(obj)
        if not absent and not waiting:
            return
        if solid:
            gone = absent | waiting
            await self._context.registry.mutate(
                resource, namespace_of(obj), name_of(obj), lambda fresh: without_owners(fresh, gone, uid_of(obj))
            )
            return
        policy = "Background"
        if waiting and self._dependents(obj):
            policy = "Foreground"
        await self._delete(resource, obj, policy)

    def _sort_owners(self, obj: Obj) -> tuple[set[str], set[str], set[str]]:
        """The uids of owners that (are there, are gone, wait for this object to go)."""
        solid: set[str] = set()
        absent: set[str] = set()
        waiting: set[str] = set()
        for reference in dig(obj, "metadata", "ownerReferences", default=[]):
            uid = reference.get("uid", "")
            owner = self._context.informers.owner(uid)
            if uid in self._gone:
                absent.add(uid)
            elif self._served.by_kind(reference.get("apiVersion", ""), reference.get("kind", "")) is None:
                solid.add(uid)  # of a kind that is not served: nobody knows whether it is gone
            elif owner is None or namespace_of(owner) not in ("", namespace_of(obj)):
                absent.add(uid)
            elif is_going_in_foreground(owner) and reference.get("blockOwnerDeletion"):
                waiting.add(uid)
            else:
                solid.add(uid)
        return solid, absent, waiting

    async def _delete(self, resource: Resource, obj: Obj, policy: str) -> None:
        options = DeleteOptions(uid=uid_of(obj), rv=version_of(obj), propagation=policy)
        try:
            await self._context.registry.delete(resource, namespace_of(obj), name_of(obj), options)
        except ApiError as error:
            if error.reason != "NotFound":
                raise  # changed meanwhile: judged anew

    async def _delete_in_foreground(self, resource: Resource, owner: Obj) -> None:
        dependents = self._dependents(owner)
        blocking = [
            (kind, dependent)
            for kind, dependent in dependents
            if any(
                reference.get("uid") == uid_of(owner) and reference.get("blockOwnerDeletion")
                for reference in dependent["metadata"]["ownerReferences"]
            )
        ]
        if not blocking:
            await self._drop_finalizer(resource, owner, FOREGROUND)
            return
        for kind, dependent in dependents:
            if not is_deleting(dependent):
                self._add(kind, dependent)

    async def _orphan(self, resource: Resource, owner: Obj) -> None:
        uid = uid_of(owner)

        async def release(dependent: Dependent) -> None:
            kind, obj = dependent
            await self._context.registry.mutate(
                kind, namespace_of(obj), name_of(obj), lambda fresh: without_owners(fresh, {uid}, uid_of(obj))
            )

        failed = await in_parallel([partial(release, each) for each in self._dependents(owner)])
        if failed:
            raise failed[0]
        await self._drop_finalizer(resource, owner, ORPHAN)

    async def _drop_finalizer(self, resource: Resource, owner: Obj, finalizer: str) -> None:
        def change(fresh: Obj) -> Obj | None:
            kept = [each for each in _finalizers(fresh) if each != finalizer]
            if uid_of(fresh) != uid_of(owner) or len(kept) == len(_finalizers(fresh)):
                return None
            fresh["metadata"]["finalizers"] = kept
            if not kept:
                del fresh["metadata"]["finalizers"]
            return fresh

        await self._context.registry.mutate(resource, namespace_of(owner), name_of(owner), change)
