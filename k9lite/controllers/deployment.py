"""Rolls Deployments out over ReplicaSets: one set per template, resized step by step.

    claim sets -> paused or resized? -> yes: resize what is there
                                     -> no:  new set made or found -> Recreate: old to 0, wait, new up
                                                                   -> RollingUpdate: new up, old down
               -> history trimmed -> status

Each step changes sizes only; the events of what follows from it bring the Deployment back. Going back to an old
template finds its set again and gives it the next revision. Source: k8s.io/kubernetes/pkg/controller/deployment.
"""

from __future__ import annotations

from typing import Any

from k9lite.api.catalog import DEPLOYMENTS, PODS, REPLICASETS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import (
    Obj,
    annotations_of,
    condition_of,
    copy_of,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from k9lite.api.selectors import LabelSelector
from k9lite.controllers import deployment_status, rollout
from k9lite.controllers.context import Context
from k9lite.controllers.informers import controller_name, is_controlled_by, namespace, owners, uncontrolled
from k9lite.controllers.ownership import claim
from k9lite.controllers.rollout import replicas_of
from k9lite.controllers.runtime import Key

COMPONENT = "deployment-controller"
INTERVAL = 0.02
"""Seconds between two turns of one Deployment, so that a burst of its sets' changes costs one turn."""

_NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        rollout.REVISION,
        rollout.REVISION_HISTORY,
        rollout.DESIRED,
        rollout.MAX_REPLICAS,
    )
)


class DeploymentController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._registry = context.registry
        self._deployments, self._sets = context.of(DEPLOYMENTS), context.of(REPLICASETS)
        self._pods = context.of(PODS)
        self._workers = context.workers("deployment", self.reconcile, interval=INTERVAL)
        self._sets.index(uncontrolled)
        self._deployments.index(namespace)
        self._deployments.on_change(lambda _, obj, __: self._add(obj, name_of(obj)))
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)

    # Events ------------------------------------------------------------------------------------------
    def _add(self, obj: Obj, name: str) -> None:
        self._workers.queue.add((namespace_of(obj), name))

    def _set_changed(self, verb: str, replicaset: Obj, old: Obj | None) -> None:
        for each in (replicaset, old):
            owner = controller_name(each, "Deployment") if each else None
            if owner:
                self._add(replicaset, owner)
                return
        if verb != "DELETED":
            for deployment in self._deployments.by(namespace, namespace_of(replicaset)):
                if _selector(deployment).matches(labels_of(replicaset)):
                    self._add(deployment, name_of(deployment))

    def _pod_changed(self, verb: str, pod: Obj, _: Obj | None) -> None:
        """Recreate waits for the last old pod to be gone."""
        set_name = controller_name(pod, "ReplicaSet") if verb == "DELETED" else None
        replicaset = self._sets.get(namespace_of(pod), set_name) if set_name else None
        owner = controller_name(replicaset, "Deployment") if replicaset else None
        deployment = self._deployments.get(namespace_of(pod), owner) if owner else None
        if deployment is not None and not rollout.is_rolling(deployment):
            self._add(deployment, name_of(deployment))

    # Reconciling -------------------------------------------------------------------------------------
    async def reconcile(self, key: Key) -> float | None:
        """One step towards the template and the replicas that are wanted, and the status."""
        deployment = self._deployments.get(*key)
        if deployment is None:
            return None
        sets = await claim(self._context, REPLICASETS, deployment, _selector(deployment))
        new = rollout.find_new(deployment, sets)
        if not is_deleting(deployment):
            try:
                new = await self._step(deployment, new, sets)
            except ApiError as error:
                if any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes):
                    return None
                raise
        return await self._write_status(deployment, new)

    async def _step(self, deployment: Obj, new: Obj | None, sets: list[Obj]) -> Obj | None:
        old = [each for each in sets if each is not new]
        if dig(deployment, "spec", "paused") or rollout.is_scaling(deployment, sets):
            if new is not None:
                new = await self._ensure_new(deployment, new, old)
            await self._resize(deployment, [*([new] if new else []), *old], rollout.scaled(deployment, new, old))
            return new
        if rollout.is_rolling(deployment):
            new = await self._roll(deployment, new, old)
        else:
            new = await self._recreate(deployment, new, old)
        return new

    async def _roll(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj:
        new = await self._ensure_new(deployment, new, old)
        size = rollout.new_replicas(deployment, replicas_of(new), rollout.total([new, *old]))
        if size != replicas_of(new):
            return await self._scale(deployment, new, size) or new
        await self._resize(deployment, old, rollout.old_replicas(deployment, new, old))
        return new

    async def _recreate(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj | None:
        if rollout.total(old) > 0:
            await self._resize(deployment, old, {name_of(each): 0 for each in old if replicas_of(each) > 0})
            return new
        if any(self._runs(each) for each in old):
            return new
        new = await self._ensure_new(deployment, new, old)
        wanted = replicas_of(deployment)
        return new if replicas_of(new) == wanted else await self._scale(deployment, new, wanted) or new

    def _runs(self, replicaset: Obj) -> bool:
        """Whether any pod of the set, also one that is ending, has not ended."""
        uid = uid_of(replicaset)
        return any(
            is_controlled_by(pod, uid) and dig(pod, "status", "phase") not in ("Succeeded", "Failed")
            for pod in self._pods.by(owners, uid)
        )

    # The new set -------------------------------------------------------------------------------------
    async def _ensure_new(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj:
        """The set of the current template, made if there is none, with the highest revision."""
        revision = max((rollout.revision_of(each) for each in old), default=0) + 1
        if new is None:
            new = await self._create(deployment, old, revision)
        else:
            new = await self._annotate(deployment, new, revision)
        await self._set_revision(deployment, rollout.revision_of(new))
        return new

    async def _create(self, deployment: Obj, old: list[Obj], revision: int) -> Obj:
        template = copy_of(deployment["spec"]["template"])
        collisions = int(dig(deployment, "status", "collisionCount", default=0))
        tag = rollout.template_hash(template, collisions)
        labels = {**dig(template, "metadata", "labels", default={}), rollout.HASH_LABEL: tag}
        template.setdefault("metadata", {})["labels"] = labels
        selector = copy_of(deployment["spec"]["selector"])
        selector["matchLabels"] = {**selector.get("matchLabels", {}), rollout.HASH_LABEL: tag}
        size = rollout.new_replicas(deployment, 0, rollout.total(old))
        made: Obj = {
            "apiVersion": REPLICASETS.api_version,
            "kind": REPLICASETS.kind,
            "metadata": {
                "name": f"{name_of(deployment)}-{tag}",
                "namespace": namespace_of(deployment),
                "labels": dict(labels),
                "annotations": {**_annotations(deployment), rollout.REVISION: str(revision)},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": size, "selector": selector, "template": template},
        }
        if minimum := dig(deployment, "spec", "minReadySeconds"):
            made["spec"]["minReadySeconds"] = minimum
        name = name_of(made)
        try:
            stored = await self._registry.create(REPLICASETS, namespace_of(deployment), made)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._note_collision(deployment, collisions)
            raise
        if size:
            self._say(deployment, f"Scaled up replica set {name} from 0 to {size}")
        await self._note_progress(deployment, "NewReplicaSetCreated", f'Created new replica set "{name}"')
        return stored.obj

    async def _annotate(self, deployment: Obj, new: Obj, revision: int) -> Obj:
        def change(fresh: Obj) -> Obj | None:
            if uid_of(fresh) != uid_of(new):
                return None
            before = annotations_of(fresh)
            after = {**before, **_copied(deployment)}
            if (current := rollout.revision_of(fresh)) < revision:
                after[rollout.REVISION] = str(revision)
                if current:
                    history = before.get(rollout.REVISION_HISTORY)
                    after[rollout.REVISION_HISTORY] = f"{history},{current}" if history else str(current)
            minimum = dig(deployment, "spec", "minReadySeconds", default=0)
            if after == before and minimum == dig(fresh, "spec", "minReadySeconds", default=0):
                return None
            fresh["metadata"]["annotations"] = after
            fresh["spec"]["minReadySeconds"] = minimum
            return fresh

        return await self._mutate_set(new, change) or new

    async def _set_revision(self, deployment: Obj, revision: int) -> None:
        def change(fresh: Obj) -> Obj | None:
            if uid_of(fresh) != uid_of(deployment) or rollout.revision_of(fresh) == revision:
                return None
            fresh["metadata"]["annotations"] = {**annotations_of(fresh), rollout.REVISION: str(revision)}
            return fresh

        if rollout.revision_of(deployment) != revision:
            await self._registry.mutate(DEPLOYMENTS, namespace_of(deployment), name_of(deployment), change)

    async def _note_collision(self, deployment: Obj, collisions: int) -> None:
        """Another object has the new set's name: the next attempt takes another hash."""
        await self._change_status(deployment, lambda status: status.update(collisionCount=collisions + 1))

    async def _note_progress(self, deployment: Obj, reason: str, message: str) -> None:
        if dig(deployment, "spec", "progressDeadlineSeconds") is None:
            return
        now = self._context.clock.time()
        await self._change_status(
            deployment, lambda status: deployment_status.set_progress(status, "True", reason, message, now)
        )

    # Writing -----------------------------------------------------------------------------------------
    async def _resize(self, deployment: Obj, sets: list[Obj], sizes: dict[str, int]) -> None:
        """Give sets their new sizes, and all that are active the number their Deployment wants now."""
        for each in sets:
            size = sizes.get(name_of(each), replicas_of(each))
            if name_of(each) in sizes or rollout.is_scaling(deployment, [each]):
                await self._scale(deployment, each, size)

    async def _scale(self, deployment: Obj, replicaset: Obj, size: int) -> Obj | None:
        before = replicas_of(replicaset)

        def change(fresh: Obj) -> Obj | None:
            if uid_of(fresh) != uid_of(replicaset) or replicas_of(fresh) != before:
                return None
            fresh["spec"]["replicas"] = size
            fresh["metadata"]["annotations"] = {**annotations_of(fresh), **_sizes(deployment)}
            return fresh

        changed = await self._mutate_set(replicaset, change)
        if changed is not None and size != before:
            way = "up" if size > before else "down"
            self._say(deployment, f"Scaled {way} replica set {name_of(replicaset)} from {before} to {size}")
        return changed

    async def _mutate_set(self, replicaset: Obj, change: Any) -> Obj | None:
        space = namespace_of(replicaset)
        stored = await self._registry.mutate(REPLICASETS, space, name_of(replicaset), change)
        return stored.obj if stored else None

    def _say(self, deployment: Obj, message: str) -> None:
        self._context.event(COMPONENT, deployment, "Normal", "ScalingReplicaSet", message)

    async def _change_status(self, deployment: Obj, change: Any) -> None:
        def changed(fresh: Obj) -> Obj | None:
            if uid_of(fresh) != uid_of(deployment):
                return None
            change(fresh.setdefault("status", {}))
            return fresh

        space = namespace_of(deployment)
        await self._registry.mutate(DEPLOYMENTS, space, name_of(deployment), changed, subresource="status")

    async def _write_status(self, seen: Obj, new: Obj | None) -> float | None:
        """Status and history after the step; the answer is when the progress deadline has to be looked at."""
        self._context.informers.catch_up()
        deployment = self._deployments.get(namespace_of(seen), name_of(seen))
        if deployment is None or uid_of(deployment) != uid_of(seen):
            return None
        if dig(deployment, "metadata", "generation") != dig(seen, "metadata", "generation"):
            return None  # its change has queued it again
        uid = uid_of(deployment)
        sets = [each for each in self._sets.by(owners, uid) if is_controlled_by(each, uid)]
        new = rollout.find_new(deployment, sets)
        now = self._context.clock.time()
        status = deployment_status.status_of(deployment, new, sets, now)
        if status != deployment.get("status"):
            await self._change_status(deployment, lambda fresh: (fresh.clear(), fresh.update(copy_of(status))))
        if new is not None and deployment_status.is_complete(deployment, status):
            await self._trim(deployment, [each for each in sets if each is not new])
        left = deployment_status.seconds_left(deployment, condition_of({"status": status}, "Progressing"), now)
        return None if left is None else max(0.0, left) + 1.0

    async def _trim(self, deployment: Obj, old: list[Obj]) -> None:
        for each in rollout.expired_sets(deployment, old):
            try:
                options = DeleteOptions(uid=uid_of(each))
                await self._registry.delete(REPLICASETS, namespace_of(each), name_of(each), options)
            except ApiError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise


def _selector(deployment: Obj) -> LabelSelector:
    return LabelSelector.from_object(dig(deployment, "spec", "selector"))


def _copied(deployment: Obj) -> dict[str, str]:
    return {key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED}


def _sizes(deployment: Obj) -> dict[str, str]:
    wanted = replicas_of(deployment)
    return {rollout.DESIRED: str(wanted), rollout.MAX_REPLICAS: str(wanted + rollout.limits(deployment)[0])}


def _annotations(deployment: Obj) -> dict[str, str]:
    """What a new set is annotated with, beside its revision."""
    return {**_copied(deployment), **_sizes(deployment)}
