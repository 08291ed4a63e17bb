"""Deployments and ReplicaSets over a real store: what is created, rolled, kept and said."""

from __future__ import annotations

import pytest

from k9lite.api.catalog import DEPLOYMENTS, PODS, REPLICASETS
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, annotations_of, condition_of, is_deleting, labels_of, name_of, uid_of
from k9lite.controllers.pods import is_active, is_ready
from k9lite.controllers.rollout import HASH_LABEL, REVISION, limits, replicas_of, template_hash
from tests.controllers.plane import Plane, deployment, replicaset
from tests.support.wait import eventually


def set_image(obj: Obj, text: str) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = text


async def test_a_deployment_becomes_ready_pods(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=3))
    rolled = await plane.rolled_out("web")
    (made,) = plane.sets()
    assert annotations_of(rolled)[REVISION] == annotations_of(made)[REVISION] == "1"
    tag = labels_of(made)[HASH_LABEL]
    assert name_of(made) == f"web-{tag}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", HASH_LABEL: tag}
    assert len(plane.pods(app="web")) == 3
    assert all(name_of(pod).startswith(f"web-{tag}-") and labels_of(pod)[HASH_LABEL] == tag for pod in plane.pods())
    progressing = condition_of(rolled, "Progressing") or {}
    assert (progressing["status"], progressing["reason"]) == ("True", "NewReplicaSetAvailable")
    assert (condition_of(rolled, "Available") or {})["reason"] == "MinimumReplicasAvailable"
    assert "unavailableReplicas" not in rolled["status"]
    await eventually(lambda: {"Scheduled"} <= set(plane.reasons(name_of(plane.pods()[0]))))
    await eventually(lambda: plane.reasons("web") == ["ScalingReplicaSet"])


async def test_a_deployment_grows_shrinks_and_heals(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=2))
    await plane.rolled_out("web")
    await plane.change(DEPLOYMENTS, "web", lambda obj: obj["spec"].update(replicas=7))
    await plane.rolled_out("web")
    assert len(plane.pods()) == 7
    await plane.change(DEPLOYMENTS, "web", lambda obj: obj["spec"].update(replicas=1))
    await plane.rolled_out("web")
    await eventually(lambda: len(plane.pods()) == 1)
    (victim,) = plane.pods()
    await plane.registry.delete(PODS, "default", name_of(victim), DeleteOptions(grace_seconds=0))
    await eventually(lambda: [pod for pod in plane.pods() if uid_of(pod) != uid_of(victim)])
    await plane.rolled_out("web")
    assert len(plane.sets()) == 1


async def test_a_new_image_rolls_and_an_old_one_comes_back_with_the_next_revision(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=4))
    await plane.rolled_out("web")
    first = uid_of(plane.sets()[0])
    await plane.change(DEPLOYMENTS, "web", lambda obj: set_image(obj, "app:2"))
    rolled = await plane.rolled_out("web")
    assert annotations_of(rolled)[REVISION] == "2"
    sizes = {annotations_of(each)[REVISION]: replicas_of(each) for each in plane.sets()}
    assert sizes == {"1": 0, "2": 4}
    await plane.change(DEPLOYMENTS, "web", lambda obj: set_image(obj, "app:1"))
    rolled = await plane.rolled_out("web")
    assert annotations_of(rolled)[REVISION] == "3"
    by_uid = {uid_of(each): each for each in plane.sets()}
    assert len(by_uid) == 2
    assert replicas_of(by_uid[first]) == 4
    assert annotations_of(by_uid[first])[REVISION] == "3"
    assert annotations_of(by_uid[first])["deployment.kubernetes.io/revision-history"] == "1"


async def test_recreate_lets_every_old_pod_end_first(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=2, strategy={"type": "Recreate"}))
    await plane.rolled_out("web")
    old = {uid_of(pod) for pod in plane.pods()}
    plane.kubelet.keeps = True
    await plane.change(DEPLOYMENTS, "web", lambda obj: set_image(obj, "app:2"))
    await eventually(lambda: all(is_deleting(pod) for pod in plane.pods()))
    await eventually(lambda: plane.context.idle)
    assert {uid_of(pod) for pod in plane.pods()} == old
    plane.kubelet.keeps = False
    plane.kubelet.look_again()
    await plane.rolled_out("web")
    assert not old & {uid_of(pod) for pod in plane.pods()}


async def test_a_paused_deployment_resizes_but_does_not_roll(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=2))
    await plane.rolled_out("web")

    def pause(obj: Obj) -> None:
        obj["spec"].update(paused=True, replicas=3)
        set_image(obj, "app:2")

    await plane.change(DEPLOYMENTS, "web", pause)
    await eventually(lambda: len(plane.pods()) == 3)
    await eventually(
        lambda: (condition_of(plane.get(DEPLOYMENTS, "web"), "Progressing") or {})["reason"] == "DeploymentPaused"
    )
    assert len(plane.sets()) == 1
    await plane.change(DEPLOYMENTS, "web", lambda obj: obj["spec"].update(paused=False))
    rolled = await plane.rolled_out("web")
    assert (condition_of(rolled, "Progressing") or {})["status"] == "True"
    assert len(plane.sets()) == 2


async def test_history_is_kept_to_its_limit(plane: Plane) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=1, revisionHistoryLimit=1))
    await plane.rolled_out("web")
    for number in (2, 3, 4):
        await plane.change(DEPLOYMENTS, "web", lambda obj, number=number: set_image(obj, f"app:{number}"))  # type: ignore[misc]
        await plane.rolled_out("web")
    await eventually(lambda: [annotations_of(each)[REVISION] for each in plane.sets()] and len(plane.sets()) == 2)
    assert {annotations_of(each)[REVISION] for each in plane.sets()} == {"3", "4"}


async def test_a_rollout_that_does_not_progress_times_out(plane: Plane) -> None:
    plane.kubelet.holds = lambda pod: True
    await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=1, progressDeadlineSeconds=1))

    def timed_out() -> Obj | None:
        condition = condition_of(plane.get(DEPLOYMENTS, "web"), "Progressing") or {}
        return condition if condition.get("reason") == "ProgressDeadlineExceeded" else None

    condition = await eventually(timed_out)
    assert condition is not None
    assert condition["status"] == "False"
    assert condition["message"].endswith("has timed out progressing.")


async def test_pods_are_adopted_and_released_by_their_labels(plane: Plane) -> None:
    stray = {
        "metadata": {"name": "stray", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "a"}]},
    }
    await plane.registry.create(PODS, "default", stray)
    await plane.registry.create(REPLICASETS, "default", replicaset(replicas=2))
    await eventually(lambda: plane.get(REPLICASETS, "web").get("status", {}).get("readyReplicas") == 2)
    assert len(plane.pods()) == 2
    owner = plane.get(PODS, "stray")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ReplicaSet", "web", True)
    await plane.change(PODS, "stray", lambda obj: obj["metadata"]["labels"].update(app="other"))
    await eventually(lambda: len(plane.pods(app="web")) == 2)
    assert "ownerReferences" not in plane.get(PODS, "stray")["metadata"]


async def test_what_is_not_ready_goes_first(plane: Plane) -> None:
    plane.kubelet.holds = lambda pod: labels_of(pod).get("held") == "yes"
    await plane.registry.create(REPLICASETS, "default", replicaset(replicas=4))
    await eventually(lambda: plane.get(REPLICASETS, "web").get("status", {}).get("readyReplicas") == 4)
    held = name_of(plane.pods()[2])
    await plane.change(PODS, held, lambda obj: obj["metadata"]["labels"].update(held="yes"))
    await eventually(lambda: plane.get(REPLICASETS, "web")["status"].get("readyReplicas") == 3)
    await plane.change(REPLICASETS, "web", lambda obj: obj["spec"].update(replicas=3))
    await eventually(lambda: len(plane.pods()) == 3)
    assert held not in {name_of(pod) for pod in plane.pods()}


async def test_a_failed_creation_is_said_and_tried_again(plane: Plane) -> None:
    broken = replicaset("broken", 1)
    broken["spec"]["template"]["metadata"]["annotations"] = {"not a key": ""}
    await plane.registry.create(REPLICASETS, "default", broken)
    await eventually(lambda: condition_of(plane.get(REPLICASETS, "broken"), "ReplicaFailure"))
    await eventually(lambda: "FailedCreate" in plane.reasons("broken"))

    def mend(obj: Obj) -> None:
        obj["spec"]["template"]["metadata"]["annotations"] = {}

    await plane.change(REPLICASETS, "broken", mend)
    await eventually(lambda: plane.get(REPLICASETS, "broken")["status"].get("readyReplicas") == 1)
    await eventually(lambda: not condition_of(plane.get(REPLICASETS, "broken"), "ReplicaFailure"))


async def test_a_taken_name_gives_the_new_set_another_hash(plane: Plane) -> None:
    wanted = deployment(replicas=1)
    dry = await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=1), dry_run=True)
    taken = f"web-{template_hash(dry.obj['spec']['template'])}"
    other = replicaset("other", 0)
    other["metadata"]["name"] = taken
    await plane.registry.create(REPLICASETS, "default", other)
    await plane.registry.create(DEPLOYMENTS, "default", wanted)
    rolled = await plane.rolled_out("web")
    assert rolled["status"]["collisionCount"] == 1
    assert len(plane.sets()) == 2


@pytest.mark.parametrize(("surge", "unavailable"), [(1, 0), (0, 1), ("50%", "50%"), (2, 1)])
async def test_at_every_moment_of_a_rollout_both_limits_hold(
    plane: Plane, surge: int | str, unavailable: int | str
) -> None:
    """Seen in the order of the log, while pods become ready as they like."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    stored = await plane.registry.create(DEPLOYMENTS, "default", deployment(replicas=6, strategy=rolling))
    most, fewest = (limit for limit in limits(stored.obj))
    await plane.rolled_out("web")
    seen: list[tuple[int, int]] = []

    def count(*_: object) -> None:
        living = [pod for pod in plane.context.of(PODS).objects.values() if is_active(pod)]
        seen.append((len(living), sum(1 for pod in living if is_ready(pod))))

    plane.context.of(PODS).on_change(count)
    await plane.change(DEPLOYMENTS, "web", lambda obj: set_image(obj, "app:2"))
    await plane.rolled_out("web")
    assert max(total for total, _ in seen) <= 6 + most
    assert min(ready for _, ready in seen) >= 6 - fewest
    await eventually(lambda: len(plane.pods()) == 6)
