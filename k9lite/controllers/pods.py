"""What controllers ask of pods."""

from __future__ import annotations

from k9lite.api.objects import Obj, annotations_of, condition_of, dig, is_deleting, is_true, name_of
from k9lite.clock import parse_rfc3339

_PHASES = {"Pending": 0, "Unknown": 1}


def is_active(pod: Obj) -> bool:
    """Neither ended nor on its way out: counts as one of the replicas."""
    return dig(pod, "status", "phase") not in ("Succeeded", "Failed") and not is_deleting(pod)


def is_ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def ready_since(pod: Obj) -> float:
    """When it became ready, in seconds since the epoch; 0 if that is unknown."""
    return _seconds((condition_of(pod, "Ready") or {}).get("lastTransitionTime"))


def created_at(obj: Obj) -> float:
    return _seconds(dig(obj, "metadata", "creationTimestamp"))


def _seconds(text: str | None) -> float:
    try:
        return parse_rfc3339(text) if text else 0.0
    except ValueError:
        return 0.0


def available_in(pod: Obj, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the pod counts as available (0: it does); None while it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds <= 0:
        return 0.0
    return max(0.0, ready_since(pod) + min_ready_seconds - now)


def deletion_rank(pod: Obj) -> tuple[int, int, int, int, float, int, float, str]:
    """Sorts the pods that are best deleted first to the front.

    Without a node, pending, not ready, cheap to delete, ready for the shortest time, restarted most, youngest. Source:
    ActivePodsWithRanks in k8s.io/kubernetes/pkg/controller/controller_utils.go.
    """
    status = pod.get("status") or {}
    ready = is_ready(pod)
    restarts = max((each.get("restartCount", 0) for each in status.get("containerStatuses") or []), default=0)
    return (
        1 if dig(pod, "spec", "nodeName") else 0,
        _PHASES.get(status.get("phase", ""), 2),
        1 if ready else 0,
        _deletion_cost(pod),
        -ready_since(pod) if ready else 0.0,
        -restarts,
        -created_at(pod),
        name_of(pod),
    )


def _deletion_cost(pod: Obj) -> int:
    try:
        return int(annotations_of(pod).get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0
