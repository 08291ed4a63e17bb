"""A pod's status from its containers. Pure; source of the rules: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from k9lite.api.objects import Obj, dig, set_condition
from k9lite.clock import rfc3339
from k9lite.engines.base import ContainerState
from k9lite.node.podspec import containers_of, init_containers_of

HOST_IP = "127.0.0.1"
CREATING, INITIALIZING = "ContainerCreating", "PodInitializing"


@dataclass(slots=True)
class View:
    """What is known of one container: what it is doing, and why it is not running if it is not."""

    name: str
    image: str
    engine: str
    attempt: int = 0
    current: ContainerState | None = None
    last: Obj | None = None
    """state.terminated of the attempt before."""
    waiting: tuple[str, str] | None = None
    """Reason and message, while it is neither running nor done."""
    image_id: str = ""

    @property
    def running(self) -> bool:
        return self.current is not None and self.current.phase == "running"

    @property
    def exited(self) -> bool:
        return self.current is not None and self.current.phase == "exited"


def terminated(state: ContainerState, engine: str) -> Obj:
    """state.terminated of a container that has ended."""
    reason = "OOMKilled" if state.oom_killed else "Completed" if state.exit_code == 0 else "Error"
    made: Obj = {
        "exitCode": state.exit_code,
        "reason": reason,
        "startedAt": _time(state.started_at),
        "finishedAt": _time(state.finished_at),
        "containerID": f"{engine}://{state.id}",
    }
    if state.error:
        made["message"] = state.error
    return made


def lost(now: float) -> Obj:
    """state.terminated of a container that is gone without a word."""
    return {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was synchronised; it was removed by someone else",
        "startedAt": None,
        "finishedAt": _time(now),
    }


def _time(seconds: float) -> str | None:
    return rfc3339(seconds) if seconds else None


def container_status(view: View, idle: tuple[str, str]) -> Obj:
    """One entry of containerStatuses; `idle` says why a container waits that nothing was begun for."""
    state: Obj
    last = view.last
    current = view.current
    if view.running:
        assert current is not None
        state = {"running": {"startedAt": _time(current.started_at)}}
    elif view.exited and view.waiting is None:
        assert current is not None
        state = {"terminated": terminated(current, view.engine)}
    else:
        reason, message = view.waiting or idle
        state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        if view.exited:
            assert current is not None
            last = terminated(current, view.engine)
    made: Obj = {
        "name": view.name,
        "state": state,
        "lastState": {"terminated": last} if last else {},
        "ready": view.running,
        "restartCount": current.attempt if current is not None and not view.running else view.attempt,
        "image": view.image,
        "imageID": (current.image_id if current else "") or view.image_id,
        "started": view.running,
    }
    if current is not None and current.id:
        made["containerID"] = f"{view.engine}://{current.id}"
    return made


def init_done(view: View) -> bool:
    return view.exited and view.current is not None and view.current.exit_code == 0


def _init_failed(view: View) -> bool:
    return view.exited and view.waiting is None and view.current is not None and view.current.exit_code != 0


def phase_of(pod: Obj, init: Sequence[View], main: Sequence[View]) -> str:
    """The pod's phase. A phase never goes back to Pending."""
    policy = dig(pod, "spec", "restartPolicy", default="Always")
    before = dig(pod, "status", "phase", default="Pending")
    if not all(init_done(view) for view in init):
        return "Failed" if policy == "Never" and any(_init_failed(view) for view in init) else str(before)
    ended = [view for view in main if view.exited or (not view.running and view.last is not None)]
    running = any(view.running for view in main)
    if len(ended) + sum(view.running for view in main) < len(main):
        return str(before)
    if running or policy == "Always" or any(view.waiting is not None for view in ended):
        return "Running"
    if all(view.current is not None and view.current.exit_code == 0 for view in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def pod_status(pod: Obj, init: Sequence[View], main: Sequence[View], address: str, now: float) -> Obj:
    """The whole status, built on the one the pod has."""
    old: Obj = pod.get("status") or {}
    stamp = rfc3339(now)
    status: Obj = {**old, "conditions": [dict(condition) for condition in old.get("conditions") or []]}
    status["phase"] = phase = phase_of(pod, init, main)
    status["hostIP"] = HOST_IP
    status["hostIPs"] = [{"ip": HOST_IP}]
    if address:
        status["podIP"] = address
        status["podIPs"] = [{"ip": address}]
    status.setdefault("startTime", stamp)
    initialized = all(init_done(view) for view in init)
    if init_containers_of(pod):
        status["initContainerStatuses"] = [
            container_status(view, (INITIALIZING, "")) | {"ready": init_done(view)} for view in init
        ]
    idle = (CREATING, "") if initialized and not init else (INITIALIZING, "")
    status["containerStatuses"] = [container_status(view, idle) for view in main]
    for condition in _conditions(phase, init, main, bool(address)):
        set_condition(status, condition, stamp)
    return status


def _conditions(phase: str, init: Sequence[View], main: Sequence[View], has_address: bool) -> list[Obj]:
    unfinished = [view.name for view in init if not init_done(view)]
    unready = [view.name for view in main if not view.running]
    begun = any(view.current is not None for view in (*init, *main))
    initialized = _condition("Initialized", not unfinished, "ContainersNotInitialized", "incomplete", unfinished)
    if phase in ("Succeeded", "Failed"):
        completed = {"status": "False", "reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
        if phase == "Succeeded":
            initialized |= {"reason": "PodCompleted"}
        ready, containers = {"type": "Ready", **completed}, {"type": "ContainersReady", **completed}
    else:
        ready = _condition("Ready", not unready, "ContainersNotReady", "unready", unready)
        containers = {**ready, "type": "ContainersReady"}
    sandbox = begun and has_address and phase not in ("Succeeded", "Failed")
    return [
        {"type": "PodReadyToStartContainers", "status": "True" if sandbox else "False", "lastProbeTime": None},
        {**initialized, "lastProbeTime": None},
        {**ready, "lastProbeTime": None},
        {**containers, "lastProbeTime": None},
        {"type": "PodScheduled", "status": "True", "lastProbeTime": None},
    ]


def _condition(kind: str, holds: bool, reason: str, what: str, names: list[str]) -> Obj:
    if holds:
        return {"type": kind, "status": "True"}
    return {
        "type": kind,
        "status": "False",
        "reason": reason,
        "message": f"containers with {what} status: [{' '.join(names)}]",
    }


def views_of(pod: Obj, engine: str) -> tuple[list[View], list[View]]:
    """Init and main containers as the pod's stored status knows them."""
    made: list[list[View]] = []
    for containers, field in (
        (init_containers_of(pod), "initContainerStatuses"),
        (containers_of(pod), "containerStatuses"),
    ):
        known: dict[str, Obj] = {item["name"]: item for item in dig(pod, "status", field, default=[])}
        made.append(
            [_restore(View(item["name"], item["image"], engine), known.get(item["name"])) for item in containers]
        )
    return made[0], made[1]


def _restore(view: View, known: Obj | None) -> View:
    if known is not None:
        view.attempt = int(known.get("restartCount") or 0)
        view.last = dig(known, "lastState", "terminated")
    return view
