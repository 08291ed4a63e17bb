"""Keeps as many pods as a ReplicaSet asks for. Source: k8s.io/kubernetes/pkg/controller/replicaset."""

from __future__ import annotations

from functools import partial
from typing import Any

from k9lite.api.catalog import PODS, REPLICASETS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import (
    Obj,
    condition_of,
    copy_of,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    set_condition,
    uid_of,
)
from k9lite.api.selectors import LabelSelector
from k9lite.controllers.context import Context
from k9lite.controllers.informers import controller_name, namespace, uncontrolled
from k9lite.controllers.ownership import claim
from k9lite.controllers.pods import available_in, deletion_rank, is_active, is_ready
from k9lite.controllers.runtime import Key, in_parallel

COMPONENT = "replicaset-controller"
INTERVAL = 0.02
"""Seconds between two turns of one ReplicaSet: many pods that change together cost one turn."""
EVENTS_PER_TURN = 10
"""Pods told one by one; more of the same turn share one event, as upstream's recorder aggregates them."""


def pod_of(replicaset: Obj) -> Obj:
    """A new pod from the template."""
    template = dig(replicaset, "spec", "template", default={})
    given = dig(template, "metadata", default={})
    metadata: Obj = {
        "generateName": f"{name_of(replicaset)}-",
        "namespace": namespace_of(replicaset),
        "ownerReferences": [owner_reference(replicaset)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if given.get(field):
            metadata[field] = given[field]
    return copy_of({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}})


def status_of(replicaset: Obj, pods: list[Obj], failure: tuple[str, str] | None, now: float, today: str) -> Obj:
    """The status that those active pods make; `failure` is the reason and message of ReplicaFailure."""
    spec = replicaset.get("spec") or {}
    wanted = dig(spec, "template", "metadata", "labels", default={}).items()
    minimum = int(spec.get("minReadySeconds") or 0)
    ready = [pod for pod in pods if is_ready(pod)]
    available = ready if minimum <= 0 else [pod for pod in ready if available_in(pod, minimum, now) == 0.0]
    counts = {
        "fullyLabeledReplicas": sum(1 for pod in pods if wanted <= labels_of(pod).items()),
        "readyReplicas": len(ready),
        "availableReplicas": len(available),
    }
    status: Obj = {"replicas": len(pods), **{field: count for field, count in counts.items() if count}}
    status["observedGeneration"] = dig(replicaset, "metadata", "generation", default=0)
    conditions = [c for c in dig(replicaset, "status", "conditions", default=[]) if c.get("type") != "ReplicaFailure"]
    if failure:
        old = condition_of(replicaset, "ReplicaFailure")
        conditions += [old] if old else []
    if conditions:
        status["conditions"] = copy_of({"conditions": conditions})["conditions"]
    if failure:
        condition = {"type": "ReplicaFailure", "status": "True", "reason": failure[0], "message": failure[1]}
        set_condition(status, condition, today)
    return status


class ReplicaSetController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._pods, self._sets = context.of(PODS), context.of(REPLICASETS)
        self._workers = context.workers("replicaset", self.reconcile, interval=INTERVAL)
        self._pods.index(uncontrolled)
        self._sets.index(namespace)
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)

    def _set_changed(self, _: str, replicaset: Obj, __: Obj | None) -> None:
        self._workers.queue.add((namespace_of(replicaset), name_of(replicaset)))

    def _pod_changed(self, verb: str, pod: Obj, old: Obj | None) -> None:
        space = namespace_of(pod)
        for each in (pod, old):
            owner = controller_name(each, "ReplicaSet") if each else None
            if owner:
                self._workers.queue.add((space, owner))
                return
        if verb != "DELETED":
            for replicaset in self._sets.by(namespace, space):
                if LabelSelector.from_object(dig(replicaset, "spec", "selector")).matches(labels_of(pod)):
                    self._workers.queue.add((space, name_of(replicaset)))

    async def reconcile(self, key: Key) -> float | None:
        """Create or delete pods until their number is right, then write the status."""
        replicaset = self._sets.get(*key)
        if replicaset is None:
            return None
        selector = LabelSelector.from_object(dig(replicaset, "spec", "selector"))
        pods = [pod for pod in await claim(self._context, PODS, replicaset, selector) if is_active(pod)]
        error = None if is_deleting(replicaset) else await self._manage(replicaset, pods)
        # The status waits for the pods' events: they bring the set back at the end of its interval.
        failure = self._failure(replicaset, pods, error)
        await self._write_status(replicaset, pods, failure)
        if error is not None and not _ends(error):
            raise error
        return self._until_available(replicaset, pods)

    async def _manage(self, replicaset: Obj, pods: list[Obj]) -> Exception | None:
        missing = int(dig(replicaset, "spec", "replicas", default=0)) - len(pods)
        if missing > 0:
            return await self._create(replicaset, missing)
        if missing < 0:
            doomed = sorted(pods, key=deletion_rank)[:-missing]
            return await self._delete(replicaset, doomed)
        return None

    async def _create(self, replicaset: Obj, count: int) -> Exception | None:
        space, told = namespace_of(replicaset), 0

        async def one() -> None:
            nonlocal told
            stored = await self._context.registry.create(PODS, space, pod_of(replicaset))
            told += 1
            if told <= EVENTS_PER_TURN:
                self._say(replicaset, "Normal", "SuccessfulCreate", f"Created pod: {name_of(stored.obj)}")

        failed = await in_parallel([one] * count)
        if told > EVENTS_PER_TURN:
            self._say(replicaset, "Normal", "SuccessfulCreate", f"Created {told - EVENTS_PER_TURN} more pods")
        if failed and not _ends(failed[0]):
            self._say(replicaset, "Warning", "FailedCreate", f"Error creating: {failed[0]}")
        return failed[0] if failed else None

    async def _delete(self, replicaset: Obj, doomed: list[Obj]) -> Exception | None:
        async def one(pod: Obj) -> None:
            try:
                options = DeleteOptions(uid=uid_of(pod))
                await self._context.registry.delete(PODS, namespace_of(pod), name_of(pod), options)
            except ApiError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise

        failed = await in_parallel([partial(one, pod) for pod in doomed])
        if failed:
            self._say(replicaset, "Warning", "FailedDelete", f"Error deleting: {failed[0]}")
            return failed[0]
        for pod in doomed[:EVENTS_PER_TURN]:
            self._say(replicaset, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        if len(doomed) > EVENTS_PER_TURN:
            self._say(replicaset, "Normal", "SuccessfulDelete", f"Deleted {len(doomed) - EVENTS_PER_TURN} more pods")
        return None

    def _say(self, replicaset: Obj, kind: str, reason: str, message: str) -> None:
        self._context.event(COMPONENT, replicaset, kind, reason, message)

    def _failure(self, replicaset: Obj, pods: list[Obj], error: Exception | None) -> tuple[str, str] | None:
        if error is None:
            return None
        fewer = len(pods) < int(dig(replicaset, "spec", "replicas", default=0))
        return ("FailedCreate" if fewer else "FailedDelete"), str(error)

    async def _write_status(self, replicaset: Obj, pods: list[Obj], failure: tuple[str, str] | None) -> None:
        status = status_of(replicaset, pods, failure, self._context.clock.time(), self._context.now())
        if status == replicaset.get("status"):
            return

        def change(fresh: Obj) -> Obj | None:
            return {**fresh, "status": status} if uid_of(fresh) == uid_of(replicaset) else None

        await self._context.registry.mutate(
            REPLICASETS, namespace_of(replicaset), name_of(replicaset), change, subresource="status"
        )

    def _until_available(self, replicaset: Obj, pods: list[Obj]) -> float | None:
        minimum = int(dig(replicaset, "spec", "minReadySeconds", default=0))
        if minimum <= 0:
            return None
        now = self._context.clock.time()
        waits: list[Any] = [available_in(pod, minimum, now) for pod in pods]
        return min((wait for wait in waits if wait), default=None)


def _ends(error: Exception) -> bool:
    """Whether the namespace is ending: then there is nothing to create any more."""
    return isinstance(error, ApiError) and any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes)
