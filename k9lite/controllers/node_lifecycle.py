"""Marks a node whose agent has fallen silent: Ready Unknown, so that nothing new is bound to it.

Silence is measured from when this process saw the last heartbeat, never by comparing the heartbeat's time with the
clock: after a pause of the control plane every node gets its full grace period. Pods keep their place in Services: a
silent agent says nothing about its pods, and there is no other node that could take them. Source:
k8s.io/kubernetes/pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from k9lite.api.catalog import NODES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, condition_of, name_of, set_condition
from k9lite.controllers.context import Context
from k9lite.controllers.runtime import log

GRACE = 50.0
"""Seconds without a heartbeat before a node counts as lost, as upstream's --node-monitor-grace-period."""
EVERY = 5.0


class NodeLifecycle:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._nodes = context.of(NODES)
        self._seen: dict[str, tuple[str, float]] = {}

    def start(self) -> None:
        self._context.tasks.start("node-lifecycle", self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except ApiError as error:
                log.warning("nodes could not be marked, again in %d s: %s", EVERY, error)
            await self._context.clock.sleep(EVERY)

    async def look(self) -> None:
        """Mark every node whose grace period is over."""
        self._context.informers.catch_up()
        now = self._context.clock.monotonic()
        nodes = {name_of(node): node for node in self._nodes.objects.values()}
        self._seen = {name: seen for name, seen in self._seen.items() if name in nodes}
        for name, node in nodes.items():
            ready = condition_of(node, "Ready") or {}
            heartbeat = str(ready.get("lastHeartbeatTime", ""))
            if name not in self._seen or self._seen[name][0] != heartbeat:
                self._seen[name] = (heartbeat, now)
            elif now - self._seen[name][1] > GRACE and ready.get("status") != "Unknown":
                await self._mark(node, heartbeat)

    async def _mark(self, node: Obj, heartbeat: str) -> None:
        today = self._context.now()

        def change(fresh: Obj) -> Obj | None:
            ready = condition_of(fresh, "Ready") or {}
            if str(ready.get("lastHeartbeatTime", "")) != heartbeat:
                return None
            condition = {
                **ready,
                "type": "Ready",
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }
            set_condition(fresh.setdefault("status", {}), condition, today)
            return fresh

        if await self._context.registry.mutate(NODES, "", name_of(node), change, subresource="status"):
            message = f"Node {name_of(node)} status is now: NodeNotReady"
            self._context.event("node-controller", node, "Warning", "NodeNotReady", message)
