"""Why an object is not as it should be."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.diagnose import Reason, diagnose, severity
from k9lite.api.objects import Obj


def _meta(name: str, **more: Any) -> Obj:
    return {"name": name, "namespace": "default", "uid": f"uid-{name}", **more}


def _pod(name: str = "web-abc-1", owner: Obj | None = None, phase: str = "Running", **status: Any) -> Obj:
    references = {"ownerReferences": [owner | {"controller": True}]} if owner else {}
    return {
        "kind": "Pod",
        "metadata": _meta(name, **references),
        "spec": {"containers": [{"name": "c", "image": "nginx:1.99", "readinessProbe": {"httpGet": {"port": 80}}}]},
        "status": {"phase": phase, **status},
    }


def _container(**state: Any) -> Obj:
    return {"name": "c", "image": "nginx:1.99", "restartCount": 4, "ready": False} | state


def _waiting(reason: str, message: str = "", **more: Any) -> list[Obj]:
    return [_container(state={"waiting": {"reason": reason, "message": message}}, **more)]


@pytest.mark.parametrize(
    ("pod", "cause", "evidence", "action", "worst"),
    [
        (_pod(containerStatuses=_waiting("ErrImagePull", "manifest unknown")),
         "pull of nginx:1.99 fails", "manifest unknown", "check the name and tag", "error"),
        (_pod(containerStatuses=_waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 127}})),
         "crash loop", "container c ended 4 times, last with exit code 127", "not found", "error"),
        (_pod(containerStatuses=_waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})),
         "crash loop", "OOMKilled", "memory limit", "error"),
        (_pod(containerStatuses=_waiting("CrashLoopBackOff", "back-off 10s")), "crash loop", "back-off 10s", "logs", "error"),
        (_pod(containerStatuses=_waiting("CreateContainerConfigError", "configmap a not found")),
         "CreateContainerConfigError", "configmap a not found", "events", "error"),
        (_pod(containerStatuses=_waiting("ContainerCreating")), "starting", "container c is being created", "", "warning"),
        (_pod(containerStatuses=[_container(state={"running": {}})]), "not ready", "container c runs", "readiness probe", "warning"),
        (_pod(containerStatuses=[_container(state={"terminated": {"exitCode": 2}})]),
         "container failed", "exit code 2", "logs", "error"),
        (_pod(initContainerStatuses=[_container(state={"terminated": {"signal": 9}})]), "container failed", "signal 9", "", "error"),
        (_pod(phase="Failed", reason="Evicted", message="disk"), "Evicted", "disk", "delete", "error"),
        (_pod(phase="Unknown"), "state unknown", "does not answer", "node", "error"),
        (_pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]),
         "no node takes it", "0/1 nodes", "uncordon", "error"),
        (_pod(phase="Pending"), "starting", "not bound", "", "warning"),
    ],
)  # fmt: skip
def test_pods(pod: Obj, cause: str, evidence: str, action: str, worst: str) -> None:
    (reason,) = diagnose(pod)
    assert reason.cause == cause
    assert evidence in reason.evidence
    assert action in reason.action
    assert reason.severity == worst


@pytest.mark.parametrize(
    "pod",
    [
        _pod(containerStatuses=[_container(state={"running": {}}) | {"ready": True}]),
        _pod(phase="Succeeded", containerStatuses=[_container(state={"terminated": {"exitCode": 0}})]),
        _pod(containerStatuses=[_container(state={"terminated": {"exitCode": 0}})]),
    ],
)
def test_healthy_pods_have_no_reasons(pod: Obj) -> None:
    assert diagnose(pod) == []


def test_a_deployment_names_the_reason_of_its_pods_once() -> None:
    deployment = {
        "kind": "Deployment",
        "metadata": _meta("web"),
        "spec": {"replicas": 3},
        "status": {"readyReplicas": 0},
    }
    owner = {"kind": "ReplicaSet", "name": "web-abc", "uid": "rs"}
    broken = [
        _pod(f"web-abc-{n}", owner, containerStatuses=_waiting("ErrImagePull", "manifest unknown")) for n in range(3)
    ]
    stranger = _pod("db-x-1", {"kind": "ReplicaSet", "name": "db-x", "uid": "other"}, phase="Failed")
    (reason,) = diagnose(deployment, [*broken, stranger])
    assert str(reason) == ("0/3 ready: pull of nginx:1.99 fails: manifest unknown; check the name and tag of the image")
    assert reason.severity == "error"
    assert diagnose(deployment)[0].severity == "warning"
    foreign = {
        "kind": "ReplicaSet",
        "metadata": _meta("web-abc", uid="rs", ownerReferences=[{"uid": "x", "controller": True}]),
    }
    assert diagnose(deployment, [*broken, foreign])[0].severity == "warning"


def test_a_deployment_says_that_it_is_stuck_or_paused() -> None:
    conditions = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
        {"type": "ReplicaFailure", "status": "True", "message": "forbidden"},
    ]
    deployment = {
        "kind": "Deployment",
        "metadata": _meta("web"),
        "spec": {"replicas": 0, "paused": True},
        "status": {"conditions": conditions},
    }
    assert [(reason.cause, reason.severity) for reason in diagnose(deployment)] == [
        ("pods cannot be made", "error"),
        ("rollout is stuck", "error"),
        ("rollout is paused", "info"),
    ]


def _slice(*ready: bool) -> Obj:
    labels = {"kubernetes.io/service-name": "web"}
    return {
        "kind": "EndpointSlice",
        "metadata": _meta("web-x", labels=labels),
        "endpoints": [{"conditions": {"ready": one}} for one in ready],
    }


@pytest.mark.parametrize(
    ("spec", "related", "causes"),
    [
        ({"selector": {"app": "web"}}, [], []),
        ({"selector": {"app": "web"}}, [_slice(True, False)], []),
        ({"selector": {"app": "web"}}, [_slice(False)], ["no ready endpoints"]),
        ({"selector": {"app": "web"}}, [_slice()], ["no endpoints"]),
        ({}, [_slice()], ["no endpoints"]),
        ({"type": "LoadBalancer", "selector": {"app": "web"}}, [], ["no external address"]),
        ({"type": "ExternalName"}, [_slice()], []),
    ],
)
def test_services(spec: Obj, related: list[Obj], causes: list[str]) -> None:
    service = {"kind": "Service", "metadata": _meta("web"), "spec": spec}
    assert [reason.cause for reason in diagnose(service, related)] == causes


def test_nodes_the_worst_first() -> None:
    node = {
        "kind": "Node", "metadata": _meta("laptop"), "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "False", "message": "engine away"},
                                  {"type": "MemoryPressure", "status": "True", "message": "low"}]},
    }  # fmt: skip
    assert [reason.cause for reason in diagnose(node)] == ["not ready", "MemoryPressure", "cordoned"]
    assert severity(diagnose(node)) == "error"


def test_the_newest_warning_event_is_evidence_unless_it_is_known() -> None:
    pod = _pod(containerStatuses=_waiting("ErrImagePull", "manifest unknown"))

    def event(message: str, at: str) -> Obj:
        return {"kind": "Event", "type": "Warning", "reason": "Failed", "message": message, "lastTimestamp": at,
                "involvedObject": {"uid": "uid-web-abc-1"}}  # fmt: skip

    events = [event("old", "2026-01-01T00:00:00Z"), event("no space left", "2026-01-02T00:00:00Z")]
    assert Reason("Failed", "no space left", "", "warning") in diagnose(pod, events)
    known = event("Failed to pull: manifest unknown", "2026-01-03T00:00:00Z")
    assert len(diagnose(pod, [*events, known])) == 1


def test_what_is_being_deleted_is_no_fault() -> None:
    for kind in ("Pod", "Deployment", "Service", "Namespace"):
        obj = {"kind": kind, "metadata": _meta("x", deletionTimestamp="2026-01-01T00:00:00Z")}
        assert severity(diagnose(obj)) == "info"


def test_an_unknown_kind_has_no_reasons() -> None:
    assert diagnose({"kind": "Widget", "metadata": _meta("x")}) == []
    assert severity([]) is None
