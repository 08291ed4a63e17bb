"""The eviction subresource: deletes a pod, unless a PodDisruptionBudget needs it.

An eviction that a budget allows is counted in the budget's status before the pod goes, in one step with the check, so
that many at once never take more than it has. Source: k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from functools import partial

from k9lite.api.catalog import PODDISRUPTIONBUDGETS, PODS
from k9lite.api.errors import ApiError, Cause, internal
from k9lite.api.kinds.policy import DISRUPTION_BUDGET
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, is_deleting, is_true, labels_of, name_of, set_condition
from k9lite.api.selectors import LabelSelector
from k9lite.registry.registry import Registry

_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
PROCESSING_SECONDS = 10
_ATTEMPTS = 20


async def evict(registry: Registry, namespace: str, name: str, options: DeleteOptions) -> None:
    """Raises ApiError 404, 409, 429 or 500."""
    pod = registry.get(PODS, namespace, name).obj
    if not _may_always_go(pod):
        budgets = _budgets_of(registry, namespace, pod)
        if len(budgets) > 1:
            raise internal(_SEVERAL)
        if budgets and not _may_go_unhealthy(budgets[0], pod):
            await _take_one(registry, namespace, name_of(budgets[0]), pod, options)
        if not options.dry_run:
            mark = partial(_marked, registry.now())
            await registry.mutate(PODS, namespace, name, mark, subresource="status")
    await registry.delete(PODS, namespace, name, options)


def _may_always_go(pod: Obj) -> bool:
    """It serves nobody: ended, not begun, or going already."""
    return is_deleting(pod) or dig(pod, "status", "phase") in ("Succeeded", "Failed", "Pending")


def _budgets_of(registry: Registry, namespace: str, pod: Obj) -> list[Obj]:
    labels = labels_of(pod)
    found = (stored.obj for stored in registry.store.list(PODDISRUPTIONBUDGETS.key, namespace))
    return [each for each in found if LabelSelector.from_object(dig(each, "spec", "selector")).matches(labels)]


def _may_go_unhealthy(budget: Obj, pod: Obj) -> bool:
    """A pod that is not ready counts for nothing in the budget."""
    if is_true(pod, "Ready"):
        return False
    if dig(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = int(dig(budget, "status", "desiredHealthy", default=0))
    return desired > 0 and int(dig(budget, "status", "currentHealthy", default=0)) >= desired


async def _take_one(registry: Registry, namespace: str, budget: str, pod: Obj, options: DeleteOptions) -> None:
    """One disruption of what the budget allows. Raises ApiError 429 if it allows none."""
    for attempt in range(_ATTEMPTS):
        current = registry.store.get(PODDISRUPTIONBUDGETS.key, namespace, budget)
        if current is None:
            return
        obj = current.copy()
        _check(obj, budget)
        obj["status"]["disruptionsAllowed"] -= 1
        obj["status"].setdefault("disruptedPods", {})[name_of(pod)] = registry.now()
        try:
            await registry.update(
                PODDISRUPTIONBUDGETS, namespace, budget, obj, subresource="status", dry_run=options.dry_run
            )
            return
        except ApiError as error:
            if error.reason != "Conflict" or attempt == _ATTEMPTS - 1:
                raise


def _check(budget: Obj, name: str) -> None:
    status = budget.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(budget["metadata"].get("generation") or 0):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _too_many(why, {"retryAfterSeconds": PROCESSING_SECONDS})
    if int(status.get("disruptionsAllowed") or 0) <= 0:
        desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _too_many(f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently", {})


def _too_many(why: str, details: Obj) -> ApiError:
    cause = Cause("", DISRUPTION_BUDGET, why).to_status()
    del cause["field"]
    return ApiError(429, "TooManyRequests", _VIOLATES, {"causes": [cause], **details})


def _marked(now: str, pod: Obj) -> Obj | None:
    if is_deleting(pod):
        return None
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                 "message": "Eviction API: evicting"}  # fmt: skip
    set_condition(pod.setdefault("status", {}), condition, now)
    return pod
