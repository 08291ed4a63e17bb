"""What is known of one pod's containers: from the engine, from the stored status, from what was just begun."""

from __future__ import annotations

from collections.abc import Iterator

from k9lite.api.objects import Obj, dig, name_of, namespace_of, uid_of
from k9lite.clock import Clock
from k9lite.engines.base import ContainerState
from k9lite.node.status import View, lost, terminated, views_of


class PodContainers:
    """`by_id` is what the engine has; a View for each container of the spec is what the pod says of it."""

    def __init__(self, pod: Obj, engine: str, clock: Clock) -> None:
        self._pod = pod
        self._clock = clock
        self.engine = engine
        self.by_id: dict[str, ContainerState] = {}
        self.init, self.main = views_of(pod, engine)
        self.by_name = {view.name: view for view in (*self.init, *self.main)}
        self.address = str(dig(pod, "status", "podIP", default=""))
        self.host_ports: dict[int, int] = {}

    def gone(self, container: str, *, by_us: bool = False) -> None:
        """It was removed, and not by us."""
        state = self.by_id.pop(container, None)
        view = self.by_name.get(state.name) if state else None
        if view is not None and view.current is not None and view.current.id == container and not by_us:
            exited = view.exited
            ended = terminated(view.current, self.engine)
            view.last = ended if exited else lost(self._clock.time())
            if not exited or self.restarts(view):
                view.attempt = view.current.attempt + 1
                view.current = None

    def update(self, state: ContainerState) -> None:
        """Something newer, or older, about one container; an end is never taken back."""
        known = self.by_id.get(state.id)
        if known is not None and known.phase == "exited":
            return
        self.by_id[state.id] = state
        view = self.by_name.get(state.name)
        if view is None or state.phase not in ("running", "exited"):
            return
        if view.current is None or state.attempt >= view.current.attempt:
            if view.current is not None and view.current.attempt < state.attempt and view.exited:
                view.last = terminated(view.current, self.engine)
            view.current = state
            view.attempt = state.attempt
            self.address = state.address or self.address
            self.host_ports.update(state.host_ports)
            if state.phase == "running":
                view.waiting = None
        elif state.phase == "exited" and state.attempt == view.current.attempt - 1:
            view.last = terminated(state, self.engine)

    def recall(self) -> None:
        """What the stored status says of containers that the engine does not know."""
        stored = {
            item["name"]: item
            for field in ("initContainerStatuses", "containerStatuses")
            for item in dig(self._pod, "status", field, default=[])
        }
        for view in self.by_name.values():
            state = dig(stored.get(view.name), "state", default={})
            if view.current is not None:
                continue
            if "running" in state:
                view.last, view.attempt = lost(self._clock.time()), view.attempt + 1
            elif "terminated" in state:
                self._recall_ended(view, state["terminated"])
            elif dig(state, "waiting", "reason") == "CrashLoopBackOff":
                view.attempt += 1

    def _recall_ended(self, view: View, ended: Obj) -> None:
        view.current = ContainerState(
            id="",
            namespace=namespace_of(self._pod),
            pod=name_of(self._pod),
            pod_uid=uid_of(self._pod),
            name=view.name,
            attempt=view.attempt,
            phase="exited",
            exit_code=int(ended.get("exitCode") or 0),
            oom_killed=ended.get("reason") == "OOMKilled",
        )
        if self.restarts(view):
            view.current, view.last, view.attempt = None, ended, view.attempt + 1

    def restarts(self, view: View) -> bool:
        """Whether the policy wants an ended container again."""
        assert view.current is not None
        policy = dig(self._pod, "spec", "restartPolicy", default="Always")
        if view in self.init:
            return view.current.exit_code != 0 and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and view.current.exit_code != 0)

    def running(self) -> Iterator[ContainerState]:
        """What still has to be ended."""
        return (state for state in list(self.by_id.values()) if state.phase in ("running", "unknown"))

    def running_id(self, name: str) -> str | None:
        """The container of that name that runs."""
        return next(
            (state.id for state in self.by_id.values() if state.name == name and state.phase == "running"), None
        )

    def container_id(self, name: str, *, previous: bool) -> str | None:
        """The container whose logs are asked for."""
        attempts = sorted(
            (state for state in self.by_id.values() if state.name == name and state.phase != "created"),
            key=lambda state: state.attempt,
        )
        wanted = attempts[:-1] if previous else attempts
        if previous and not wanted and attempts and self.by_name[name].current is None:
            wanted = attempts
        return wanted[-1].id if wanted else None
