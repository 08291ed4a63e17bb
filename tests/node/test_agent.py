"""Pods on a node: from the object to the process and back."""

from __future__ import annotations

import os
import signal

import orjson
import pytest

from k9lite.api.catalog import LEASES, NODES, PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, condition_of, dig, is_true
from k9lite.engines.base import ContainerSpec
from k9lite.engines.process import ProcessEngine
from tests.node.conftest import CLUSTER, Rig
from tests.support.wait import eventually


async def test_a_pod_runs_and_says_so_in_few_writes(node: Rig) -> None:
    made = await node.pod("p", image="k9lite/whoami", ports=[{"containerPort": 8080}])
    pod = await node.running("p")
    status = pod["status"]
    assert status["phase"] == "Running"
    assert (status["podIP"], status["hostIP"]) == ("127.0.0.1", "127.0.0.1")
    for kind in ("PodScheduled", "Initialized", "PodReadyToStartContainers", "ContainersReady", "Ready"):
        assert is_true(pod, kind), kind
    container = node.container("p")
    assert container["ready"]
    assert container["started"]
    assert container["restartCount"] == 0
    assert container["containerID"].startswith("process://")
    ports = orjson.loads(pod["metadata"]["annotations"]["k9lite.io/ports"])
    assert list(ports) == ["8080"]
    await eventually(lambda: len(node.events("p")) == 3)
    assert [reason for reason, _ in node.events("p")] == ["Pulled", "Created", "Started"]
    assert int(pod["metadata"]["resourceVersion"]) - int(made["metadata"]["resourceVersion"]) <= 4


async def test_the_node_is_registered(node: Rig) -> None:
    stored = node.store.get(NODES.key, "", "here")
    assert stored is not None
    assert is_true(stored.obj, "Ready")
    assert set(stored.obj["status"]["capacity"]) == {"cpu", "memory", "pods"}
    assert stored.obj["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("process://")
    lease = node.store.get(LEASES.key, "kube-node-lease", "here")
    assert lease is not None
    assert (lease.obj["spec"]["holderIdentity"], lease.obj["spec"]["leaseDurationSeconds"]) == ("here", 40)
    assert lease.obj["metadata"]["ownerReferences"][0]["uid"] == stored.obj["metadata"]["uid"]


async def test_a_deleted_pod_is_drained_terminated_and_gone(node: Rig) -> None:
    await node.pod("p", "sleep", "1000", ports=[{"containerPort": 80}])
    pod = await node.running("p")
    leader = await eventually(lambda: node.leader(pod))
    await node.delete("p")
    await node.gone("p")
    port = orjson.loads(pod["metadata"]["annotations"]["k9lite.io/ports"])["80"]
    assert node.drains.asked == [((("127.0.0.1", port),), 10.0)]
    assert not _lives(leader)
    await eventually(lambda: not list((node.settings.data / "pods").iterdir()))
    await eventually(lambda: ("Killing", "Stopping container main") in node.events("p"))


async def test_what_ignores_sigterm_is_killed_after_its_grace_period(node: Rig) -> None:
    await node.pod(
        "p", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done", spec={"terminationGracePeriodSeconds": 1}
    )
    await node.running("p")
    await eventually(lambda: _logged(node, "p", "up"))
    await node.delete("p")
    await node.gone("p")


async def _logged(node: Rig, name: str, part: str) -> bool:
    return part in await node.log(name)


async def test_grace_0_ends_it_at_once_and_drains_nothing(node: Rig) -> None:
    await node.pod("p", "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    leader = node.leader(await _with_record(node, "p"))
    await node.delete("p", grace=0)
    assert node.get("p") is None
    await eventually(lambda: not _lives(leader))
    assert node.drains.asked == []


async def _with_record(node: Rig, name: str) -> Obj:
    """The running pod, once its process has written its record too."""
    pod = await node.running(name)
    await eventually(lambda: node.leader(pod))
    return pod


async def test_a_pod_with_a_finalizer_ends_and_stays_until_it_is_removed(node: Rig) -> None:
    await node.pod("p", "sleep", "1000")
    await node.running("p")
    hold = [{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/hold"]}]
    await node.registry.patch(PODS, "default", "p", "application/json-patch+json", hold)
    await node.delete("p")
    await eventually(lambda: "terminated" in node.container("p")["state"])
    free = [{"op": "remove", "path": "/metadata/finalizers"}]
    await node.registry.patch(PODS, "default", "p", "application/json-patch+json", free)
    await node.gone("p")


@pytest.mark.parametrize(
    ("script", "policy", "phase", "reason", "code"),
    [
        ("exit 0", "Never", "Succeeded", "Completed", 0),
        ("exit 3", "Never", "Failed", "Error", 3),
        ("exit 0", "OnFailure", "Succeeded", "Completed", 0),
        ("kill -KILL $$$$", "Never", "Failed", "Error", 137),
    ],
)
async def test_how_a_pod_ends(node: Rig, script: str, policy: str, phase: str, reason: str, code: int) -> None:
    await node.pod("p", "sh", "-c", script, spec={"restartPolicy": policy})
    pod = await node.phase("p", phase)
    ended = node.container("p")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == (reason, code)
    ready = condition_of(pod, "Ready")
    assert ready is not None
    assert ready["status"] == "False"


async def test_a_crashing_container_starts_again_once_and_then_backs_off(node: Rig) -> None:
    await node.pod("p", "sh", "-c", "echo attempt; exit 1")
    await eventually(lambda: dig(node.container("p"), "state", "waiting", "reason") == "CrashLoopBackOff")
    container = node.container("p")
    assert container["restartCount"] == 1
    assert container["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=main pod=p_default("
    )
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert dig(node.get("p"), "status", "phase") == "Running"
    assert await node.log("p") == "attempt\n"
    assert await node.log("p", previous=True) == "attempt\n"
    await eventually(lambda: "BackOff" in dict(node.events("p")))


async def test_a_killed_process_is_started_again(node: Rig) -> None:
    await node.pod("p", "sleep", "1000", ports=[{"containerPort": 80}])
    pod = await _with_record(node, "p")
    os.killpg(node.leader(pod), signal.SIGKILL)
    await eventually(lambda: node.container("p")["restartCount"] == 1 and node.container("p")["ready"])
    assert node.container("p")["lastState"]["terminated"]["exitCode"] == 137
    again = node.get("p")
    assert again is not None
    assert again["metadata"]["annotations"] == pod["metadata"]["annotations"]


async def test_init_containers_run_in_order_before_the_others(node: Rig) -> None:
    place = node.settings.data / "order"
    init = [
        {"name": name, "image": "host", "command": ["sh", "-c", f"echo {name} >> {place}"]} for name in ("one", "two")
    ]
    await node.pod("p", "sh", "-c", f"echo main >> {place}; exec sleep 1000", spec={"initContainers": init})
    pod = await node.running("p")
    await eventually(lambda: place.read_text() == "one\ntwo\nmain\n")
    reasons = [item["state"]["terminated"]["reason"] for item in pod["status"]["initContainerStatuses"]]
    assert reasons == ["Completed", "Completed"]
    assert is_true(pod, "Initialized")


async def test_a_failing_init_container_fails_a_pod_that_is_never_restarted(node: Rig) -> None:
    init = [{"name": "one", "image": "host", "command": ["sh", "-c", "exit 2"]}]
    await node.pod("p", "sleep", "1000", spec={"initContainers": init, "restartPolicy": "Never"})
    await node.phase("p", "Failed")
    assert node.container("p")["state"]["waiting"]["reason"] == "PodInitializing"


async def test_an_image_that_cannot_be_had_is_said(node: Rig) -> None:
    await node.pod("p", image="nginx")
    await eventually(lambda: dig(node.container("p"), "state", "waiting", "reason") == "ErrImagePull")
    assert "Docker" in node.container("p")["state"]["waiting"]["message"]
    await eventually(lambda: dig(node.container("p"), "state", "waiting", "reason") == "ImagePullBackOff")
    await eventually(lambda: len(node.events("p")) == 5)
    assert [reason for reason, _ in node.events("p")] == ["Pulling", "Failed", "Failed", "BackOff", "Failed"]
    assert dig(node.get("p"), "status", "phase") == "Pending"
    with pytest.raises(ApiError, match="is waiting to start: ImagePullBackOff"):
        await node.log("p")
    await node.delete("p")
    await node.gone("p")


async def test_a_command_that_is_not_there_is_said(node: Rig) -> None:
    await node.pod("p", "no-such-program")
    await eventually(lambda: dig(node.container("p"), "state", "waiting", "reason") == "RunContainerError")
    assert "executable file not found" in node.container("p")["state"]["waiting"]["message"]


async def test_field_references_reach_the_environment(node: Rig) -> None:
    env = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (
            ("A", "metadata.name"),
            ("B", "spec.nodeName"),
            ("C", "status.podIP"),
            ("D", "metadata.namespace"),
        )
    ]
    await node.pod("p", "sh", "-c", "echo $A $B $C $D", env=env, spec={"restartPolicy": "Never"})
    await node.phase("p", "Succeeded")
    assert await node.log("p") == "p here 127.0.0.1 default\n"


async def test_running_pods_are_adopted_and_orphans_removed(node: Rig) -> None:
    await node.pod("stays", "sleep", "1000")
    await node.pod("goes", "sleep", "1000")
    stays, goes = await _with_record(node, "stays"), await _with_record(node, "goes")
    leader, orphan = node.leader(stays), node.leader(goes)
    await node.stop()
    await node.delete("goes", grace=0)
    await node.start()
    await eventually(lambda: not _lives(orphan))
    assert _lives(leader)
    assert node.leader(stays) == leader
    assert node.container("stays")["restartCount"] == 0
    os.killpg(leader, signal.SIGTERM)
    await eventually(lambda: node.container("stays")["restartCount"] == 1 and node.container("stays")["ready"])
    assert node.container("stays")["lastState"]["terminated"]["exitCode"] == 143
    await node.stop()
    await node.start()
    os.killpg(await eventually(lambda: node.leader(stays)), signal.SIGKILL)
    await eventually(lambda: node.container("stays")["restartCount"] == 2 and node.container("stays")["ready"])


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def test_pods_deleted_while_the_node_was_away_end_at_its_start(node: Rig) -> None:
    await node.pod("p", "sleep", "1000")
    leader = node.leader(await _with_record(node, "p"))
    await node.stop()
    await node.delete("p")
    assert node.get("p") is not None
    await node.start()
    await node.gone("p")
    assert not _lives(leader)


async def test_stopping_with_pods_brings_them_back_at_the_next_start(node: Rig) -> None:
    await node.pod("p", "sleep", "1000", spec={"restartPolicy": "Never"})
    leader = node.leader(await _with_record(node, "p"))
    await node.stop(pods=True)
    assert not _lives(leader)
    assert node.container("p")["state"]["waiting"]["reason"] == "Stopped"
    assert not node.container("p")["ready"]
    await node.start()
    await node.running("p")
    assert node.container("p")["restartCount"] == 0


async def test_a_container_removed_behind_our_back_is_replaced(node: Rig) -> None:
    pod = await node.pod("p", "sleep", "1000")
    await node.running("p")
    engine = node.engines["process"]
    assert isinstance(engine, ProcessEngine)
    await engine.remove(f"{pod['metadata']['uid']}.main.0")
    await eventually(lambda: node.container("p")["restartCount"] == 1 and node.container("p")["ready"])


async def test_a_container_of_no_pod_is_removed(rig: Rig) -> None:
    engine = ProcessEngine(rig.settings, CLUSTER)
    wanted = ContainerSpec("default", "gone", "uid-gone", "main", 0, "host", ("sleep", "1000"))
    await engine.start(await engine.create(wanted))
    await engine.close()
    await rig.start()
    await eventually(lambda: not list((rig.settings.data / "pods").iterdir()))
