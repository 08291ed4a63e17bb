"""Says of each object whose controller k9lite does not have yet that nothing will act on it.

A Warning event `NotImplementedYet`, and, where the kind's status has conditions, a condition of that type, which stays.
Whoever brings a controller removes its kind from `ACTS_ON`, and writes a status without the condition.
"""

from __future__ import annotations

from k9lite.api.catalog import (
    CRONJOBS,
    DAEMONSETS,
    EVENTS,
    HPAS,
    INGRESSES,
    JOBS,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PRIORITYCLASSES,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, condition_of, dig, is_deleting, name_of, namespace_of, set_condition, uid_of
from k9lite.api.resources import Resource
from k9lite.controllers.context import Context
from k9lite.controllers.runtime import Key

REASON = "NotImplementedYet"
_PODS = "k9lite does not run its pods yet; a Deployment, or a pod, it does run"
ACTS_ON: dict[Resource, str] = {
    STATEFULSETS: _PODS,
    DAEMONSETS: _PODS,
    JOBS: _PODS,
    REPLICATIONCONTROLLERS: _PODS,
    CRONJOBS: "k9lite does not start its jobs yet",
    HPAS: "k9lite does not scale by metrics yet; `k9lite scale` does it by hand",
    INGRESSES: "k9lite does not route by host and path yet; a Service of type NodePort is reached from outside",
    PERSISTENTVOLUMECLAIMS: "k9lite does not provide volumes yet; no pod can mount it",
    PERSISTENTVOLUMES: "k9lite does not provide volumes yet; no claim will be bound to it",
    PRIORITYCLASSES: "k9lite starts all pods alike; their priority changes nothing yet",
}
"""Kind -> what does not happen, and what does instead."""
_WITH_CONDITIONS = (STATEFULSETS, DAEMONSETS, JOBS, REPLICATIONCONTROLLERS, HPAS, PERSISTENTVOLUMECLAIMS)


def _told(event: Obj) -> list[str]:
    """The uid of the object that an event of ours is about."""
    return [str(dig(event, "involvedObject", "uid", default=""))] if event.get("reason") == REASON else []


class NotImplementedNotice:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._events = context.of(EVENTS)
        self._events.index(_told)
        self._by_key = {resource.key: resource for resource in ACTS_ON}
        self._workers = context.workers("not-implemented", self.reconcile, count=1)
        for resource in ACTS_ON:
            self._follow(resource)

    def _follow(self, resource: Resource) -> None:
        def changed(verb: str, obj: Obj, _: Obj | None) -> None:
            if verb != "DELETED":
                self._workers.queue.add((resource.key, namespace_of(obj), name_of(obj)))

        self._context.of(resource).on_change(changed)

    async def reconcile(self, key: Key) -> None:
        """Tell it once of each object."""
        resource = self._by_key[key[0]]
        obj = self._context.of(resource).get(key[1], key[2])
        if obj is None or is_deleting(obj) or condition_of(obj, REASON) or self._events.by(_told, uid_of(obj)):
            return
        message = ACTS_ON[resource]
        self._context.event("k9lite", obj, "Warning", REASON, f"{resource.kind}: {message}")
        if resource not in _WITH_CONDITIONS:
            return
        now, uid = self._context.now(), uid_of(obj)

        def change(fresh: Obj) -> Obj | None:
            if uid_of(fresh) != uid:
                return None
            condition = {"type": REASON, "status": "True", "reason": REASON, "message": message}
            set_condition(fresh.setdefault("status", {}), condition, now)
            return fresh

        try:
            await self._context.registry.mutate(resource, key[1], key[2], change, subresource="status")
        except ApiError as error:
            if error.reason != "NotFound":
                raise
