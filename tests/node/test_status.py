"""Phases, back-off and environment: the pure rules."""

from __future__ import annotations

import pytest

from k9lite.api.objects import Obj
from k9lite.engines.base import ContainerState, CreateError
from k9lite.node.backoff import Backoff, as_go
from k9lite.node.environment import field_value
from k9lite.node.status import View, container_status, phase_of, pod_status

POD: Obj = {
    "metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"app": "web"}},
    "spec": {"restartPolicy": "Always", "containers": [{"name": "a", "image": "host"}]},
    "status": {"phase": "Pending"},
}


def state(phase: str, code: int = 0, *, oom: bool = False, attempt: int = 0) -> ContainerState:
    return ContainerState(
        "c",
        "default",
        "p",
        "u",
        "a",
        attempt,
        phase,
        exit_code=code,
        oom_killed=oom,
        started_at=1e9,
        finished_at=1e9 + 1,
    )


def view(current: ContainerState | None = None, waiting: tuple[str, str] | None = None) -> View:
    return View("a", "host", "process", current=current, waiting=waiting, attempt=current.attempt if current else 0)


@pytest.mark.parametrize(
    ("policy", "views", "phase"),
    [
        ("Always", [view()], "Pending"),
        ("Always", [view(state("running"))], "Running"),
        ("Always", [view(state("running")), view()], "Pending"),
        ("Always", [view(state("exited", 1), ("CrashLoopBackOff", ""))], "Running"),
        ("Never", [view(state("exited", 0))], "Succeeded"),
        ("Never", [view(state("exited", 0)), view(state("running"))], "Running"),
        ("Never", [view(state("exited", 0)), view(state("exited", 2))], "Failed"),
        ("OnFailure", [view(state("exited", 2), ("CrashLoopBackOff", ""))], "Running"),
        ("OnFailure", [view(state("exited", 0))], "Succeeded"),
    ],
)
def test_the_phase(policy: str, views: list[View], phase: str) -> None:
    pod = {**POD, "spec": {**POD["spec"], "restartPolicy": policy}}
    assert phase_of(pod, [], views) == phase


def test_out_of_memory_is_named() -> None:
    status = container_status(view(state("exited", 137, oom=True)), ("ContainerCreating", ""))
    assert status["state"]["terminated"]["reason"] == "OOMKilled"


def test_a_waiting_container_shows_its_last_end() -> None:
    status = container_status(view(state("exited", 3, attempt=4), ("CrashLoopBackOff", "m")), ("ContainerCreating", ""))
    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["restartCount"] == 4


def test_an_unchanged_pod_gets_an_unchanged_status() -> None:
    views = [view(state("running"))]
    first = {**POD, "status": pod_status(POD, [], views, "127.0.0.1", 1e9)}
    assert pod_status(first, [], views, "127.0.0.1", 2e9) == first["status"]


def test_backoff_doubles_up_to_five_minutes_and_is_forgotten() -> None:
    backoff, now = Backoff(), 1000.0
    waits = []
    for _ in range(8):
        waits.append(backoff.remaining("k", now, now))
        now += waits[-1]
        backoff.next("k", now, now)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.remaining("k", now + 601, now + 601) == 0
    assert as_go(80) == "1m20s"


def test_field_references() -> None:
    assert field_value(POD, "metadata.labels['app']", "") == "web"
    assert field_value(POD, "status.podIP", "10.0.0.1") == "10.0.0.1"
    with pytest.raises(CreateError, match="unsupported fieldPath"):
        field_value(POD, "spec.nope", "")
