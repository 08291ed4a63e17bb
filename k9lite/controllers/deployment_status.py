"""What a Deployment says of itself: counts and conditions. Pure.

    Progressing   True NewReplicaSetCreated, FoundNewReplicaSet, ReplicaSetUpdated, NewReplicaSetAvailable
                  False ProgressDeadlineExceeded, Unknown DeploymentPaused, DeploymentResumed
    Available     True MinimumReplicasAvailable, False MinimumReplicasUnavailable
    ReplicaFailure  as on the sets

Source: k8s.io/kubernetes/pkg/controller/deployment/{progress,sync}.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from k9lite.api.objects import Obj, condition_of, copy_of, dig, name_of, set_condition
from k9lite.clock import parse_rfc3339, rfc3339
from k9lite.controllers.rollout import limits, replicas_of

NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"


def _sum(sets: Sequence[Obj], field: str) -> int:
    return sum(int(dig(each, "status", field, default=0)) for each in sets)


def counts(deployment: Obj, new: Obj | None, sets: Sequence[Obj]) -> Obj:
    """The status without conditions; zero counts are left out, as upstream's encoding does."""
    available = _sum(sets, "availableReplicas")
    numbers = {
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(replicas_of, sets)) - available),
    }
    status: Obj = {"observedGeneration": dig(deployment, "metadata", "generation", default=0)}
    status |= {field: number for field, number in numbers.items() if number}
    collisions = dig(deployment, "status", "collisionCount")
    if collisions is not None:
        status["collisionCount"] = collisions
    return status


def is_complete(deployment: Obj, status: Obj) -> bool:
    """Whether exactly the wanted replicas run, all of them new and available."""
    wanted = replicas_of(deployment)
    return all(status.get(field, 0) == wanted for field in ("updatedReplicas", "replicas", "availableReplicas"))


def _has_progressed(old: Obj, new: Obj) -> bool:
    def of(status: Obj, field: str) -> int:
        return int(status.get(field, 0))

    outdated_before = of(old, "replicas") - of(old, "updatedReplicas")
    return (
        of(new, "updatedReplicas") > of(old, "updatedReplicas")
        or of(new, "replicas") - of(new, "updatedReplicas") < outdated_before
        or of(new, "readyReplicas") > of(old, "readyReplicas")
        or of(new, "availableReplicas") > of(old, "availableReplicas")
    )


def set_progress(status: Obj, value: str, reason: str, message: str, now: float) -> None:
    """Set Progressing; lastUpdateTime is what the deadline is counted from."""
    _set(status, {"type": "Progressing", "status": value, "reason": reason, "message": message}, now)


def _set(status: Obj, condition: Obj, now: float) -> None:
    set_condition(status, {**condition, "lastUpdateTime": rfc3339(now)}, rfc3339(now))


def status_of(deployment: Obj, new: Obj | None, sets: Sequence[Obj], now: float) -> Obj:
    """The whole new status, conditions included."""
    old = dig(deployment, "status", default={})
    status = counts(deployment, new, sets)
    status["conditions"] = copy_of({"conditions": dig(old, "conditions", default=[])})["conditions"]
    _judge_availability(deployment, status, now)
    if (
        dig(deployment, "spec", "paused")
        or (condition_of({"status": status}, "Progressing") or {}).get("reason") == PAUSED
    ):
        _pause_or_resume(deployment, status, now)
    else:
        _judge_progress(deployment, status, old, new, now)
    _copy_failure(status, new, sets, now)
    return status


def _judge_availability(deployment: Obj, status: Obj, now: float) -> None:
    enough = status.get("availableReplicas", 0) >= replicas_of(deployment) - limits(deployment)[1]
    value = "True" if enough else "False"
    if (condition_of({"status": status}, "Available") or {}).get("status") == value:
        return
    reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    _set(status, {"type": "Available", "status": value, "reason": reason, "message": message}, now)


def _pause_or_resume(deployment: Obj, status: Obj, now: float) -> None:
    if dig(deployment, "spec", "progressDeadlineSeconds") is None:
        return
    reason = (condition_of({"status": status}, "Progressing") or {}).get("reason")
    if dig(deployment, "spec", "paused"):
        if reason not in (PAUSED, TIMED_OUT):
            set_progress(status, "Unknown", PAUSED, "Deployment is paused", now)
    else:
        set_progress(status, "Unknown", "DeploymentResumed", "Deployment is resumed", now)


def _judge_progress(deployment: Obj, status: Obj, old: Obj, new: Obj | None, now: float) -> None:
    if dig(deployment, "spec", "progressDeadlineSeconds") is None:
        status["conditions"] = [each for each in status["conditions"] if each["type"] != "Progressing"]
        return
    current = condition_of({"status": status}, "Progressing") or {}
    settled = status.get("replicas", 0) == status.get("updatedReplicas", 0) and current.get("reason") == NEW_AVAILABLE
    if settled:
        return
    what = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    if is_complete(deployment, status):
        set_progress(status, "True", NEW_AVAILABLE, f"{what} has successfully progressed.", now)
    elif _has_progressed(old, status):
        set_progress(status, "True", "ReplicaSetUpdated", f"{what} is progressing.", now)
    elif (
        current.get("reason") != TIMED_OUT
        and (left := seconds_left(deployment, current, now)) is not None
        and left <= 0
    ):
        set_progress(status, "False", TIMED_OUT, f"{what} has timed out progressing.", now)


def _copy_failure(status: Obj, new: Obj | None, sets: Sequence[Obj], now: float) -> None:
    failing = [found for each in ([new] if new else []) + list(sets) if (found := condition_of(each, "ReplicaFailure"))]
    known = condition_of({"status": status}, "ReplicaFailure")
    if failing:
        fields = ("type", "status", "reason", "message")
        wanted = {field: failing[0].get(field, "") for field in fields}
        if known is None or any(known.get(field) != wanted[field] for field in fields):
            _set(status, wanted, now)
    elif known is not None:
        status["conditions"].remove(known)


def seconds_left(deployment: Obj, progressing: Obj | None, now: float) -> float | None:
    """Until the progress deadline; None where there is none to watch."""
    deadline = dig(deployment, "spec", "progressDeadlineSeconds")
    if deadline is None or not progressing or progressing.get("reason") in (NEW_AVAILABLE, TIMED_OUT, PAUSED):
        return None
    try:
        since = parse_rfc3339(progressing.get("lastUpdateTime") or "")
    except ValueError:
        return None
    return since + float(deadline) - now
