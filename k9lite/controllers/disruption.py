"""Keeps the status of PodDisruptionBudgets: how many pods are healthy, have to be, and may be evicted now.

    expectedPods        the replicas that the pods' controllers ask for; with a plain minAvailable the pods there are
    desiredHealthy      minAvailable of them, or all but maxUnavailable
    disruptionsAllowed  currentHealthy - desiredHealthy

A pod that an eviction has just been granted counts as gone at once (disruptedPods), for two minutes at most. Source:
k8s.io/kubernetes/pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from typing import Any

from k9lite.api.catalog import PODDISRUPTIONBUDGETS, PODS
from k9lite.api.custom import jsonpath
from k9lite.api.kinds.policy import scaled
from k9lite.api.objects import (
    Obj,
    controller_of,
    copy_of,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    set_condition,
    uid_of,
)
from k9lite.api.selectors import LabelSelector
from k9lite.clock import parse_rfc3339
from k9lite.controllers.context import Context
from k9lite.controllers.informers import labels, namespace
from k9lite.controllers.pods import is_ready
from k9lite.controllers.runtime import Key

COMPONENT = "controllermanager"
DELETION_SECONDS = 120.0
"""After which an evicted pod that is still there, and not ending, counts again."""
INTERVAL = 0.05


class DisruptionController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._budgets, self._pods = context.of(PODDISRUPTIONBUDGETS), context.of(PODS)
        self._budgets.index(namespace)
        self._pods.index(labels)
        self._pods.index(namespace)
        self._workers = context.workers("disruption", self.reconcile, interval=INTERVAL)
        self._budgets.on_change(self._budget_changed)
        context.informers.each(lambda informer: informer.on_change(self._changed))

    def _budget_changed(self, verb: str, budget: Obj, _: Obj | None) -> None:
        if verb != "DELETED":
            self._add(budget)

    def _add(self, budget: Obj) -> None:
        self._workers.queue.add((namespace_of(budget), name_of(budget)))

    def _changed(self, verb: str, obj: Obj, old: Obj | None) -> None:
        """Of pods, those that select it; of what may scale, all of its namespace."""
        budgets = self._budgets.by(namespace, namespace_of(obj)) if self._budgets.objects else []
        if not budgets or obj.get("kind") == "PodDisruptionBudget":
            return
        if obj.get("kind") != "Pod":
            scales = old is None or verb == "DELETED" or old.get("spec") != obj.get("spec")
            for budget in budgets if scales and "spec" in obj else ():
                self._add(budget)
            return
        for budget in budgets:
            selector = _selector(budget)
            if selector.matches(labels_of(obj)) or (old is not None and selector.matches(labels_of(old))):
                self._add(budget)

    async def reconcile(self, key: Key) -> None:
        budget = self._budgets.get(*key)
        if budget is None:
            return
        pods = self._pods.select(key[0], _selector(budget))
        now = self._context.clock.time()
        disrupted, next_look = _still_disrupted(budget, pods, now)
        status = self._status(budget, pods, disrupted)
        if next_look is not None:
            self._workers.queue.add_after(key, next_look)

        def change(fresh: Obj) -> Obj | None:
            if dig(fresh, "metadata", "resourceVersion") != dig(budget, "metadata", "resourceVersion"):
                return None  # an eviction came in between; its event brings us back
            return {**fresh, "status": status}

        await self._context.registry.mutate(PODDISRUPTIONBUDGETS, key[0], key[1], change, subresource="status")

    def _status(self, budget: Obj, pods: list[Obj], disrupted: dict[str, str]) -> Obj:
        expected, desired = self._numbers(budget["spec"], pods)
        healthy = sum(1 for pod in pods if is_ready(pod) and not is_deleting(pod) and name_of(pod) not in disrupted)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status: Obj = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": dig(budget, "metadata", "generation", default=0),
            "conditions": copy_of({"items": dig(budget, "status", "conditions", default=[])})["items"],
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        condition: Obj = {
            "type": "DisruptionAllowed",
            "status": str(allowed > 0),
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
            "observedGeneration": status["observedGeneration"],
        }
        set_condition(status, condition, self._context.now())
        return status

    def _numbers(self, spec: Obj, pods: list[Obj]) -> tuple[int, int]:
        """(expectedPods, desiredHealthy)."""
        if (unavailable := spec.get("maxUnavailable")) is not None:
            expected = self._scale(pods)
            return expected, max(0, expected - scaled(unavailable, expected))
        least: Any = spec.get("minAvailable", 1)
        expected = len(pods) if isinstance(least, int) else self._scale(pods)
        return expected, scaled(least, expected)

    def _scale(self, pods: list[Obj]) -> int:
        """The replicas asked for by all controllers of the pods; what has no number counts the pods it has."""
        wanted: dict[str, int] = {}
        for pod in pods:
            controller = self._controller(pod)
            if controller is None:
                continue
            uid, replicas = uid_of(controller), self._replicas(controller)
            wanted[uid] = wanted.get(uid, 0) + 1 if replicas is None else replicas
        return sum(wanted.values())

    def _controller(self, obj: Obj) -> Obj | None:
        """The controller, or the one above it that scales it (a Deployment above its ReplicaSet)."""
        reference = controller_of(obj)
        found = self._context.informers.owner(reference["uid"]) if reference else None
        above = self._controller(found) if found is not None and found.get("kind") == "ReplicaSet" else None
        return above or found

    def _replicas(self, controller: Obj) -> int | None:
        served = self._context.registry.served
        resource = served.by_kind(str(controller.get("apiVersion")), str(controller.get("kind")))
        if resource is None or "scale" not in resource.subresources:
            return None
        path = resource.scale_paths.spec_replicas if resource.scale_paths else ".spec.replicas"
        replicas = jsonpath.get(path, controller)
        return int(replicas) if isinstance(replicas, int) else 0


def _selector(budget: Obj) -> LabelSelector:
    return LabelSelector.from_object(dig(budget, "spec", "selector"))


def _still_disrupted(budget: Obj, pods: list[Obj], now: float) -> tuple[dict[str, str], float | None]:
    """Evicted pods that are still there and not ending yet, and the seconds until the first of them counts again."""
    kept: dict[str, str] = {}
    left: list[float] = []
    present = {name_of(pod): pod for pod in pods}
    for name, since in dig(budget, "status", "disruptedPods", default={}).items():
        pod = present.get(name)
        until = parse_rfc3339(since) + DELETION_SECONDS
        if pod is not None and not is_deleting(pod) and until > now:
            kept[name] = since
            left.append(until - now)
    return kept, min(left, default=None)
