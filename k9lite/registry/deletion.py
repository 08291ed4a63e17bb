"""What a deletion has to wait for: grace periods, finalizers, and the namespace's own list of them. Pure."""

from __future__ import annotations

from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig
from k9lite.api.resources import Resource

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def grace_of(resource: Resource, obj: Obj, options: DeleteOptions) -> int:
    """Seconds until the object may be removed. Pods that never ran, or have ended, need none."""
    if not resource.graceful:
        return 0
    if not dig(obj, "spec", "nodeName") or dig(obj, "status", "phase") in ("Succeeded", "Failed"):
        return 0
    grace = options.grace_seconds
    if grace is None:
        grace = int(dig(obj, "spec", "terminationGracePeriodSeconds", default=30))
    return 1 if grace < 0 else grace


def finalizers_of(resource: Resource, obj: Obj, options: DeleteOptions) -> list[str]:
    """What holds the object, with the marks for the garbage collector that the options ask for."""
    found = [item for item in obj["metadata"].get("finalizers") or [] if item not in (FOREGROUND, ORPHAN)]
    marks = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(options.propagation or "", [])
    if options.propagation is None:
        marks = [item for item in obj["metadata"].get("finalizers") or [] if item in (FOREGROUND, ORPHAN)]
        if not marks and resource.orphans_by_default:
            marks = [ORPHAN]
    return [*found, *marks]


def is_held_by_spec(obj: Obj) -> bool:
    """Namespaces are held by spec.finalizers until they are empty."""
    return bool(obj.get("kind") == "Namespace" and dig(obj, "spec", "finalizers", default=[]))


def deletion_ends(obj: Obj) -> bool:
    """Whether an update took away the last thing that held an object which is being deleted."""
    metadata = obj["metadata"]
    return bool(
        metadata.get("deletionTimestamp")
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not is_held_by_spec(obj)
    )
