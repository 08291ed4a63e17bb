"""How far a rollout is, in kubectl's words. Source: k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go."""

from __future__ import annotations

from collections.abc import Callable

from k9lite.api.objects import Obj, condition_of, dig, name_of
from k9lite.client.actions import ActionError

Progress = tuple[str, bool]
"""(what kubectl says, whether it is done)."""


def _count(obj: Obj, *path: str) -> int:
    return int(dig(obj, *path, default=0) or 0)


def _is_unseen(obj: Obj) -> bool:
    return _count(obj, "metadata", "generation") > _count(obj, "status", "observedGeneration")


def _deployment(obj: Obj) -> Progress:
    name = name_of(obj)
    if _is_unseen(obj):
        return "Waiting for deployment spec update to be observed...", False
    if (condition_of(obj, "Progressing") or {}).get("reason") == "ProgressDeadlineExceeded":
        raise ActionError(f'deployment "{name}" exceeded its progress deadline')
    wanted = int(dig(obj, "spec", "replicas", default=1))
    updated, replicas = _count(obj, "status", "updatedReplicas"), _count(obj, "status", "replicas")
    available = _count(obj, "status", "availableReplicas")
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new replicas have been updated...", False
    if replicas > updated:
        return f"{waiting}{replicas - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting}{available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _check_rolling(obj: Obj) -> None:
    if dig(obj, "spec", "updateStrategy", "type", default="RollingUpdate") != "RollingUpdate":
        raise ActionError("rollout status is only available for RollingUpdate strategy type")


def _daemon_set(obj: Obj) -> Progress:
    _check_rolling(obj)
    if _is_unseen(obj):
        return "Waiting for daemon set spec update to be observed...", False
    name, wanted = name_of(obj), _count(obj, "status", "desiredNumberScheduled")
    updated, available = _count(obj, "status", "updatedNumberScheduled"), _count(obj, "status", "numberAvailable")
    waiting = f'Waiting for daemon set "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{waiting}{available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(obj: Obj) -> Progress:
    _check_rolling(obj)
    if _is_unseen(obj) or not _count(obj, "status", "observedGeneration"):
        return "Waiting for statefulset spec update to be observed...", False
    wanted, ready = int(dig(obj, "spec", "replicas", default=1)), _count(obj, "status", "readyReplicas")
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    updated = _count(obj, "status", "updatedReplicas")
    partition = _count(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    if partition:
        if updated < wanted - partition:
            of = f"{updated} out of {wanted - partition} new pods have been updated..."
            return f"Waiting for partitioned roll out to finish: {of}", False
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    revision, current = dig(obj, "status", "updateRevision"), dig(obj, "status", "currentRevision")
    if revision != current:
        text = f"waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."
        return text, False
    at = _count(obj, "status", "currentReplicas")
    return f"statefulset rolling update complete {at} pods at revision {current}...", True


_KINDS: dict[str, Callable[[Obj], Progress]] = {
    "Deployment": _deployment,
    "DaemonSet": _daemon_set,
    "StatefulSet": _stateful_set,
}


def progress(obj: Obj) -> Progress:
    """Raises ActionError when the rollout has failed, or there is none for the kind."""
    told = _KINDS.get(str(obj.get("kind")))
    if told is None:
        raise ActionError(f"no status of a rollout is known for a {obj.get('kind')}")
    return told(obj)
