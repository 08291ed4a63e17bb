"""The verbs over the store, with the rules of each kind: what the API server, controllers and node write through.

    create   identity, defaults, validation, namespace, allocation -> store
    update   the same against the old object; preconditions; the last finalizer removed ends a deletion
    delete   graceful for pods, held by finalizers, else at once

Source of the semantics: k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from k9lite.api.catalog import NAMESPACES, PODS, SERVICES
from k9lite.api.errors import ApiError, Cause, already_exists, conflict, forbidden, not_found
from k9lite.api.managed import carry_managers, track_create, track_update
from k9lite.api.meta import (
    DeleteOptions,
    check_identity,
    generated_name,
    prepare_create,
    prepare_update,
)
from k9lite.api.objects import Obj, dig, encode, is_deleting, name_of, set_condition
from k9lite.api.patch import apply_patch
from k9lite.api.resources import Resource
from k9lite.api.writer import Writer
from k9lite.clock import Clock, rfc3339
from k9lite.registry.allocator import Allocator, Taken, addresses_of, ports_of
from k9lite.registry.authorizer import Authorizer
from k9lite.registry.deletion import deletion_ends, finalizers_of, grace_of, is_held_by_spec
from k9lite.registry.escalation import EscalationCheck
from k9lite.registry.limits import LimitRanger
from k9lite.registry.quotas import Quotas
from k9lite.registry.served import Served
from k9lite.store.store import Store
from k9lite.store.watch import Stored

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
_RETRIES = 20
_AT_ONCE = 256
"""Deletions of a collection that are written together."""

Change = Callable[[Obj], Obj | None]
Admission = Callable[[Resource, Obj, Obj | None], None]
"""(resource, new, old or None at creation), after defaults and validation; raises ApiError to refuse the write."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """`removed` is False while the object is still there: ending gracefully, or held by finalizers."""

    stored: Stored
    removed: bool


class Registry:
    """One for each store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        service_cidr: str = "10.96.0.0/16",
        node_ports: range = range(30000, 32768),
        port_is_free: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.store = store
        self.clock = clock
        self.authorizer = Authorizer(store)
        self.served = Served(store, clock)
        self.quotas = Quotas(store, self.served)
        self.admission: list[Admission] = [EscalationCheck(self.authorizer), self.served.admit, LimitRanger(store)]
        self._allocator = Allocator(service_cidr, node_ports, port_is_free)
        for stored in store.list(SERVICES.key):
            self._allocator.hold(stored.obj)

    def now(self) -> str:
        return rfc3339(self.clock.time())

    def get(self, resource: Resource, namespace: str, name: str) -> Stored:
        """Raises ApiError NotFound."""
        stored = self.store.get(resource.key, namespace, name)
        if stored is None:
            raise not_found(resource.key, name)
        return stored

    # Create ------------------------------------------------------------------------------------------
    async def create(
        self, resource: Resource, namespace: str, obj: Obj, *, dry_run: bool = False, by: Writer | None = None
    ) -> Stored:
        """Store a new object; the registry owns `obj` afterwards. Raises ApiError."""
        check_identity(resource, obj, namespace, by=by)
        resource = resource.stored(obj)
        metadata = obj["metadata"]
        base = "" if metadata.get("name") else str(metadata.get("generateName") or "")
        self._check_namespace(resource, namespace, str(metadata.get("name") or ""))
        prepare_create(resource, obj, self.now())
        if by is not None:
            track_create(resource, obj, by, self.now())
        self._admit(resource, obj, None)
        with self.quotas.reserved(resource, obj, None):
            return await self._store_new(resource, namespace, obj, base, dry_run=dry_run)

    async def _store_new(self, resource: Resource, namespace: str, obj: Obj, base: str, *, dry_run: bool) -> Stored:
        metadata = obj["metadata"]
        taken = self._allocator.allocate(obj, None) if resource is SERVICES else None
        if dry_run:
            return self._would_be(resource, obj, taken)
        for _ in range(_RETRIES if base else 0):
            if self.store.get(resource.key, namespace, metadata["name"]) is None:
                break
            metadata["name"] = generated_name(base)
        write = self.store.create(resource.key, namespace, metadata["name"], obj)
        return await (write if taken is None else self._holding(taken, write))

    def _admit(self, resource: Resource, new: Obj, old: Obj | None) -> None:
        for admission in self.admission:
            admission(resource, new, old)

    async def _holding(self, taken: Taken, write: Coroutine[Any, Any, Stored]) -> Stored:
        """The outcome of a write that uses what was taken; frees that if the write fails.

        A write goes on when its caller is cancelled, so what it uses stays held until its outcome is known.
        """
        task = asyncio.ensure_future(write)

        def settle(done: asyncio.Future[Stored]) -> None:
            if done.cancelled() or done.exception() is not None:
                self._allocator.release(*taken)

        task.add_done_callback(settle)
        return await asyncio.shield(task)

    def _would_be(self, resource: Resource, obj: Obj, taken: Taken | None) -> Stored:
        """The answer to a dry run."""
        if taken:
            self._allocator.release(*taken)
        if self.store.get(resource.key, obj["metadata"].get("namespace", ""), name_of(obj)):
            raise already_exists(resource.key, name_of(obj))
        return Stored(obj, encode(obj), self.store.rv)

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        found = self.store.get(NAMESPACES.key, "", namespace)
        if found is None:
            raise not_found(NAMESPACES.key, namespace)
        if is_deleting(found.obj):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(
                resource.key, name, why,
                [Cause("metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated")],
            )  # fmt: skip

    # Update ------------------------------------------------------------------------------------------
    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        obj: Obj,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
        by: Writer | None = None,
        managed_fields: list[Obj] | None = None,
    ) -> Stored:
        """Replace an object. Its resourceVersion, if given, has to be the current one. Raises ApiError.

        Who owns its fields: as `managed_fields` says, else `by` what it changes; without both that stays as it is.
        """
        current = self.get(resource, namespace, name)
        check_identity(resource, obj, namespace, name, by)
        resource = resource.stored(obj)
        wanted = prepare_update(resource, obj, current.obj, subresource)
        if wanted is not None and wanted != current.rv:
            raise conflict(resource.key, name)
        if managed_fields is not None:
            obj["metadata"] |= {"managedFields": managed_fields} if managed_fields else {}
        elif by is not None:
            track_update(resource, obj, current.obj, by, self.now())
        else:
            carry_managers(obj, current.obj)
        self._admit(resource, obj, current.obj)
        if deletion_ends(obj):
            return current if dry_run else await self._remove(resource, current, current.rv)
        with self.quotas.reserved(resource, obj, current.obj):
            return await self._store_changed(resource, obj, current, subresource, dry_run=dry_run)

    async def _store_changed(
        self, resource: Resource, obj: Obj, current: Stored, subresource: str | None, *, dry_run: bool
    ) -> Stored:
        namespace, name = obj["metadata"].get("namespace", ""), name_of(obj)
        taken = None
        if resource is SERVICES and subresource is None:
            taken = self._allocator.allocate(obj, current.obj)
        if dry_run:
            if taken is not None:
                self._allocator.release(*taken)
            obj["metadata"]["resourceVersion"] = str(current.rv)
            return Stored(obj, encode(obj), current.rv)
        write = self.store.update(resource.key, namespace, name, obj, rv=current.rv)
        if taken is None:
            return await write
        return await self._holding(taken, self._freeing(current.obj, write))

    async def _freeing(self, old: Obj, write: Coroutine[Any, Any, Stored]) -> Stored:
        """Frees what a Service no longer has once its update is written."""
        stored = await write
        self._allocator.release(addresses_of(old) - addresses_of(stored.obj), ports_of(old) - ports_of(stored.obj))
        return stored

    async def mutate(
        self, resource: Resource, namespace: str, name: str, change: Change, *, subresource: str | None = None
    ) -> Stored | None:
        """Read, change, write; again if the object changed meanwhile. None if it is gone or nothing is to do."""
        for attempt in range(_RETRIES):
            current = self.store.get(resource.key, namespace, name)
            changed = change(resource.served(current.copy())) if current is not None else None
            if changed is None:
                return None
            try:
                return await self.update(resource, namespace, name, changed, subresource=subresource)
            except ApiError as error:
                if error.reason == "NotFound":
                    return None
                if error.reason != "Conflict" or attempt == _RETRIES - 1:
                    raise
        return None

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        content_type: str,
        patch: Any,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
        by: Writer | None = None,
    ) -> Stored:
        """Patch an object; a resourceVersion inside the patch is a precondition. Raises ApiError."""
        for attempt in range(_RETRIES):
            current = self.get(resource, namespace, name)
            changed = apply_patch(content_type, patch, resource.served(current.copy()))
            own_conflict = dig(changed, "metadata", "resourceVersion") == str(current.rv)
            try:
                return await self.update(
                    resource, namespace, name, changed, subresource=subresource, dry_run=dry_run, by=by
                )
            except ApiError as error:
                if error.reason != "Conflict" or not own_conflict or attempt == _RETRIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def bind(
        self, namespace: str, name: str, node: str, *, uid: str | None = None, dry_run: bool = False
    ) -> Stored:
        """The `binding` subresource: give a pod its node, once, and say so in its conditions. Raises ApiError."""
        current = self.get(PODS, namespace, name)
        if is_deleting(current.obj):
            raise conflict(f"{PODS.key}/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if bound := dig(current.obj, "spec", "nodeName"):
            raise conflict(f"{PODS.key}/binding", name, f'pod {name} is already assigned to node "{bound}"')
        obj = current.copy()
        obj["spec"]["nodeName"] = node
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
        set_condition(obj.setdefault("status", {}), scheduled, self.now())
        if dry_run:
            return Stored(obj, encode(obj), current.rv)
        return await self.store.update(PODS.key, namespace, name, obj, rv=current.rv, uid=uid)

    # Delete ------------------------------------------------------------------------------------------
    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: DeleteOptions = DeleteOptions(),  # noqa: B008
    ) -> Deleted:
        """Delete an object, or begin to. Raises ApiError."""
        for attempt in range(_RETRIES):
            current = self.get(resource, namespace, name)
            try:
                return await self._delete_once(resource, current, options)
            except ApiError as error:
                if error.reason != "Conflict" or options.rv is not None or attempt == _RETRIES - 1:
                    raise
                if options.uid and options.uid != current.obj["metadata"]["uid"]:
                    raise
        raise AssertionError("unreachable")

    async def _delete_once(self, resource: Resource, current: Stored, options: DeleteOptions) -> Deleted:
        self._check_deletable(resource, current, options)
        grace = grace_of(resource, current.obj, options)
        finalizers = finalizers_of(resource, current.obj, options)
        if grace == 0 and not finalizers and not is_held_by_spec(current.obj):
            if options.dry_run:
                return Deleted(current, True)
            return Deleted(await self._remove(resource, current, current.rv), True)
        obj = current.copy()
        metadata = obj["metadata"]
        if finalizers:
            metadata["finalizers"] = finalizers
        if resource.has_generation and not is_deleting(obj):
            metadata["generation"] = int(metadata.get("generation", 0)) + 1
        if not is_deleting(obj) or grace < int(metadata.get("deletionGracePeriodSeconds", 0)):
            metadata["deletionTimestamp"] = rfc3339(self.clock.time() + grace)
            metadata["deletionGracePeriodSeconds"] = grace
        if resource is NAMESPACES:
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        if options.dry_run:
            return Deleted(Stored(obj, encode(obj), current.rv), False)
        space = metadata.get("namespace", "")
        write = self.store.update(resource.key, space, name_of(obj), obj, rv=current.rv)
        return Deleted(await write, False)

    def _check_deletable(self, resource: Resource, current: Stored, options: DeleteOptions) -> None:
        metadata = current.obj["metadata"]
        if options.uid and options.uid != metadata["uid"]:
            why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
            raise conflict(resource.key, metadata["name"], why)
        if options.rv is not None and options.rv != current.rv:
            why = f"Precondition failed: ResourceVersion in precondition: {options.rv}, "
            raise conflict(resource.key, metadata["name"], f"{why}ResourceVersion in object meta: {current.rv}")
        if resource is NAMESPACES and metadata["name"] in PROTECTED_NAMESPACES:
            raise forbidden(resource.key, metadata["name"], "this namespace may not be deleted")

    async def _remove(self, resource: Resource, current: Stored, rv: int) -> Stored:
        metadata = current.obj["metadata"]
        write = self.store.delete(
            resource.key, metadata.get("namespace", ""), metadata["name"], rv=rv, uid=metadata["uid"]
        )
        if resource is not SERVICES:
            return await write
        removed = await asyncio.shield(asyncio.ensure_future(self._freeing_all(write)))
        return removed

    async def _freeing_all(self, write: Coroutine[Any, Any, Stored]) -> Stored:
        removed = await write
        self._allocator.release(addresses_of(removed.obj), ports_of(removed.obj))
        return removed

    async def finalize_namespace(self, name: str, finalizers: list[str], *, dry_run: bool = False) -> Stored:
        """The `finalize` subresource: sets spec.finalizers; the namespace goes with the last of them.

        A create that was let in just before the namespace began to end may have been written after its content was
        removed. Such a write is in the log before the namespace's removal, so what is left after that is swept away.
        """
        current = self.get(NAMESPACES, "", name)
        obj = current.copy()
        obj.setdefault("spec", {})["finalizers"] = finalizers
        if dry_run:
            return Stored(obj, encode(obj), current.rv)
        if not finalizers and is_deleting(obj):
            removed = await self._remove(NAMESPACES, current, current.rv)
            await self._sweep(name)
            return removed
        return await self.store.update(NAMESPACES.key, "", name, obj, rv=current.rv)

    async def _sweep(self, namespace: str) -> None:
        for resource in self.served.each():
            for stored in self.store.list(resource.key, namespace) if resource.namespaced else ():
                try:
                    await self._remove(resource, stored, stored.rv)
                except ApiError as error:
                    if error.reason not in ("NotFound", "Conflict"):
                        raise

    async def delete_collection(
        self, resource: Resource, namespace: str | None, wanted: Callable[[Obj], bool], options: DeleteOptions
    ) -> list[Stored]:
        """Delete every object that is wanted, many in one commit; those that go meanwhile are passed over."""
        found = [stored for stored in self.store.list(resource.key, namespace) if wanted(stored.obj)]
        deleted: list[Stored] = []
        for start in range(0, len(found), _AT_ONCE):
            answers = await asyncio.gather(
                *(self._delete_if_there(resource, stored, options) for stored in found[start : start + _AT_ONCE])
            )
            deleted += [answer.stored for answer in answers if answer is not None]
        return deleted

    async def _delete_if_there(self, resource: Resource, stored: Stored, options: DeleteOptions) -> Deleted | None:
        metadata = stored.obj["metadata"]
        try:
            return await self.delete(resource, metadata.get("namespace", ""), metadata["name"], options)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return None
