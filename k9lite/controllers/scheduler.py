"""Binds each new pod to a node that is ready and takes pods: the one with the fewest.

A pod without a node stays Pending with condition PodScheduled False and a FailedScheduling event; any change of a
node lets all of them try again. Words from k8s.io/kubernetes/pkg/scheduler.
"""

from __future__ import annotations

from collections import Counter

from k9lite.api.catalog import NODES, PODS
from k9lite.api.objects import Obj, condition_of, dig, is_deleting, is_true, labels_of, name_of, set_condition, uid_of
from k9lite.controllers.context import Context
from k9lite.controllers.runtime import Key

COMPONENT = "default-scheduler"


def node_of(pod: Obj) -> list[str]:
    """Index: the pod's node; "" while it has none."""
    return [dig(pod, "spec", "nodeName", default="")]


def wants_node(pod: Obj) -> bool:
    """Whether this scheduler is to find a node for the pod."""
    return (
        not dig(pod, "spec", "nodeName")
        and not is_deleting(pod)
        and dig(pod, "status", "phase", default="Pending") == "Pending"
        and dig(pod, "spec", "schedulerName", default=COMPONENT) == COMPONENT
        and not dig(pod, "spec", "schedulingGates", default=[])
    )


def obstacle(pod: Obj, node: Obj) -> str | None:
    """Why the pod may not run on the node, in upstream's words after the number of nodes."""
    if dig(node, "spec", "unschedulable"):
        return "node(s) were unschedulable"
    if not is_true(node, "Ready"):
        return "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"
    wanted = dig(pod, "spec", "nodeSelector", default={})
    labels = labels_of(node)
    if any(labels.get(key) != value for key, value in wanted.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    return None


def verdict(pod: Obj, nodes: list[Obj]) -> tuple[list[Obj], str]:
    """The nodes the pod may run on, and otherwise the message that says why there is none."""
    if not nodes:
        return [], "no nodes available to schedule pods"
    obstacles = {name_of(node): obstacle(pod, node) for node in nodes}
    fitting = [node for node in nodes if obstacles[name_of(node)] is None]
    counted = Counter(why for why in obstacles.values() if why)
    reasons = ", ".join(sorted(f"{count} {why}" for why, count in counted.items()))
    return fitting, f"0/{len(nodes)} nodes are available: {reasons}."


class Scheduler:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._pods, self._nodes = context.of(PODS), context.of(NODES)
        self._workers = context.workers("scheduler", self.reconcile, count=32)
        self._pods.index(node_of)
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)

    def _pod_changed(self, verb: str, pod: Obj, _: Obj | None) -> None:
        if verb == "ADDED" and wants_node(pod):
            self._workers.queue.add((pod["metadata"]["namespace"], name_of(pod)))

    def _node_changed(self, verb: str, node: Obj, old: Obj | None) -> None:
        if old is not None and obstacle({}, node) == obstacle({}, old) and labels_of(node) == labels_of(old):
            return
        for pod in self._pods.by(node_of, ""):
            if wants_node(pod):
                self._workers.queue.add((pod["metadata"]["namespace"], name_of(pod)))

    async def reconcile(self, key: Key) -> None:
        """Bind the pod, or say why not."""
        pod = self._pods.get(*key)
        if pod is None or not wants_node(pod):
            return
        fitting, message = verdict(pod, list(self._nodes.objects.values()))
        if not fitting:
            await self._refuse(pod, key, message)
            return
        node = fitting[0]
        if len(fitting) > 1:
            node = min(fitting, key=lambda each: (len(self._pods.by(node_of, name_of(each))), name_of(each)))
        await self._context.registry.bind(key[0], key[1], name_of(node), uid=uid_of(pod))
        message = f"Successfully assigned {'/'.join(key)} to {name_of(node)}"
        self._context.event(COMPONENT, pod, "Normal", "Scheduled", message)

    async def _refuse(self, pod: Obj, key: Key, message: str) -> None:
        now = self._context.now()

        def change(fresh: Obj) -> Obj | None:
            if uid_of(fresh) != uid_of(pod) or not wants_node(fresh):
                return None
            if (condition_of(fresh, "PodScheduled") or {}).get("message") == message:
                return None
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            set_condition(fresh.setdefault("status", {}), condition, now)
            return fresh

        await self._context.registry.mutate(PODS, key[0], key[1], change, subresource="status")
        self._context.event(COMPONENT, pod, "Warning", "FailedScheduling", message)
