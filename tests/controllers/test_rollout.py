"""The arithmetic of rollouts: tables of upstream's cases, and what holds for any sizes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.objects import Obj, condition_of
from k9lite.clock import rfc3339
from k9lite.controllers import deployment_status, rollout
from k9lite.controllers.pods import deletion_rank

NOW = 1_700_000_000.0


def deployment(replicas: int, surge: Any = "25%", unavailable: Any = "25%", kind: str = "RollingUpdate") -> Obj:
    strategy: Obj = {"type": kind}
    if kind == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {
        "metadata": {"name": "web", "generation": 1},
        "spec": {"replicas": replicas, "strategy": strategy, "progressDeadlineSeconds": 600},
    }


def replicaset(
    name: str, size: int, available: int = 0, *, desired: int | None = None, age: int = 0, **more: Any
) -> Obj:
    annotations = {}
    if desired is not None:
        annotations = {rollout.DESIRED: str(desired), rollout.MAX_REPLICAS: str(more.get("most", desired))}
    created = rfc3339(NOW - age)
    return {
        "metadata": {"name": name, "annotations": annotations, "creationTimestamp": created, "generation": 1},
        "spec": {"replicas": size},
        "status": {"replicas": size, "availableReplicas": available, "observedGeneration": 1},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 1, 0, (1, 0)),
        (2, "0%", "1%", (0, 1)),
        (4, 0, "100%", (0, 4)),
        (3, "200%", 9, (6, 3)),
        (0, "25%", "25%", (0, 0)),
    ],
)
def test_percentages_round_surge_up_and_unavailable_down(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    assert rollout.limits(deployment(replicas, surge, unavailable)) == expected


@pytest.mark.parametrize(
    ("replicas", "surge", "new", "everything", "expected"),
    [
        (10, 0, 0, 10, 0),
        (10, 2, 0, 10, 2),
        (10, 2, 2, 12, 2),
        (10, 2, 5, 10, 7),
        (10, 30, 0, 10, 10),
        (10, 2, 12, 14, 10),
    ],
)
def test_the_new_set_grows_into_the_room_there_is(
    replicas: int, surge: int, new: int, everything: int, expected: int
) -> None:
    assert rollout.new_replicas(deployment(replicas, surge, 1), new, everything) == expected


@pytest.mark.parametrize(
    ("unavailable", "new", "old", "expected"),
    [
        (0, (0, 0), [(10, 10)], {}),
        (2, (0, 0), [(10, 10)], {"old0": 8}),
        (2, (2, 0), [(10, 10)], {"old0": 8}),
        (2, (4, 0), [(8, 8)], {}),
        (2, (4, 4), [(8, 8)], {"old0": 4}),
        (2, (2, 0), [(10, 6)], {"old0": 8}),
        (2, (0, 0), [(5, 0), (5, 5)], {"old0": 3}),
        (0, (10, 10), [(3, 3), (2, 2)], {"old0": 0, "old1": 0}),
    ],
)
def test_old_sets_shrink_by_what_is_broken_then_by_what_can_be_spared(
    unavailable: int, new: tuple[int, int], old: list[tuple[int, int]], expected: dict[str, int]
) -> None:
    sets = [replicaset(f"old{number}", *each, age=100 - number) for number, each in enumerate(old)]
    assert rollout.old_replicas(deployment(10, 2, unavailable), replicaset("new", *new), sets) == expected


def test_a_status_that_lags_behind_does_not_count_pods_twice() -> None:
    # The old set was just cut to 3, its status still says 4: nothing more can be spared.
    assert rollout.old_replicas(deployment(4, 1, 1), replicaset("new", 1, 0), [replicaset("old", 3, 4)]) == {}


@pytest.mark.parametrize(
    ("replicas", "new", "old", "expected"),
    [
        (5, replicaset("new", 3, 3, desired=3), [], {"new": 5}),
        (5, None, [replicaset("old", 3, 3, desired=3)], {"old": 5}),
        (12, replicaset("new", 5, 5, desired=10, most=10), [replicaset("old", 5, 5, desired=10, most=10)],
         {"new": 6, "old": 6}),
        (0, replicaset("new", 5, 5, desired=10, most=10), [replicaset("old", 5, 5, desired=10, most=10)],
         {"new": 0, "old": 0}),
        (3, replicaset("new", 3, 3, desired=3), [replicaset("old", 1, 1, desired=3)], {"old": 0}),
    ],
)  # fmt: skip
def test_resizing_while_rolling_is_shared_in_proportion(
    replicas: int, new: Obj | None, old: list[Obj], expected: dict[str, int]
) -> None:
    assert rollout.scaled(deployment(replicas, 0, 1), new, old) == expected


sizes = st.integers(0, 60)


@given(
    replicas=sizes,
    surge=st.one_of(st.integers(0, 20), st.integers(0, 150).map(lambda share: f"{share}%")),
    unavailable=st.one_of(st.integers(0, 20), st.integers(0, 100).map(lambda share: f"{share}%")),
    start=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=4),
    luck=st.lists(st.integers(0, 100), min_size=1, max_size=30),
)
def test_a_rollout_keeps_both_limits_and_ends(
    replicas: int, surge: Any, unavailable: Any, start: list[tuple[int, int]], luck: list[int]
) -> None:
    """Any rollout from old sets that together fit: pods become available in any order, whenever they like."""
    wanted = deployment(replicas, surge, unavailable)
    max_surge, max_unavailable = rollout.limits(wanted)
    room = replicas
    old = []
    for number, (size, ready) in enumerate(start):
        size = min(size, room) if number < len(start) - 1 else room
        room -= size
        old.append(replicaset(f"old{number}", size, min(ready, size), age=100 - number))
    new = replicaset("new", 0, 0)
    everything = [new, *old]
    least = sum(map(rollout.available, everything))

    def resize(each: Obj, size: int) -> None:
        """What the ReplicaSet controller does: what is not available goes first."""
        assert size >= 0
        each["spec"]["replicas"] = size
        each["status"]["availableReplicas"] = min(each["status"]["availableReplicas"], size)

    def step() -> bool:
        size = rollout.new_replicas(wanted, rollout.replicas_of(new), rollout.total(everything))
        if size != rollout.replicas_of(new):
            resize(new, size)
            return True
        changes = rollout.old_replicas(wanted, new, old)
        for each in old:
            if each["metadata"]["name"] in changes:
                resize(each, changes[each["metadata"]["name"]])
        return bool(changes)

    for turn in range(1000):
        moved = step()
        assert rollout.total(everything) <= replicas + max_surge
        count = sum(map(rollout.available, everything))
        assert count >= min(least, replicas - max_unavailable)
        least = max(least, count)
        missing = rollout.replicas_of(new) - rollout.available(new)
        gained = min(missing, luck[turn % len(luck)] % (missing + 1) if turn < 30 else missing)
        new["status"]["availableReplicas"] += gained
        if not moved and missing == 0:
            break
    assert rollout.replicas_of(new) == replicas
    assert rollout.total(old) == 0


@given(
    replicas=sizes,
    before=st.integers(1, 60),
    split=st.integers(0, 60),
    surge=st.integers(0, 10),
)
def test_resizing_never_goes_beyond_the_surge_nor_below_zero(
    replicas: int, before: int, split: int, surge: int
) -> None:
    wanted = deployment(replicas, surge, 1)
    part = min(split, before)
    sets = [
        replicaset("new", part, part, desired=before, most=before + surge),
        replicaset("old", before - part, before - part, desired=before, most=before + surge, age=9),
    ]
    changes = rollout.scaled(wanted, sets[0], sets[1:])
    assert all(size >= 0 for size in changes.values())
    total = sum(changes.get(each["metadata"]["name"], rollout.replicas_of(each)) for each in sets)
    assert total <= replicas + surge if replicas else total == 0


def test_a_template_is_known_by_its_content() -> None:
    one = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "a"}]}}
    labelled = {**one, "metadata": {"labels": {"app": "web", rollout.HASH_LABEL: "x"}, "annotations": {}}}
    other = {**one, "spec": {"containers": [{"name": "c", "image": "b"}]}}
    assert rollout.same_template(one, labelled)
    assert not rollout.same_template(one, other)
    tags = {rollout.template_hash(one), rollout.template_hash(other), rollout.template_hash(one, 1)}
    assert len(tags) == 3
    assert rollout.template_hash(labelled) in tags


def status(**fields: Any) -> Obj:
    return {"observedGeneration": 1, **fields}


@pytest.mark.parametrize(
    ("progressing", "later", "expected"),
    [
        (("True", "NewReplicaSetCreated"), 599, ("True", "NewReplicaSetCreated")),
        (("True", "NewReplicaSetCreated"), 601, ("False", "ProgressDeadlineExceeded")),
        (("False", "ProgressDeadlineExceeded"), 9999, ("False", "ProgressDeadlineExceeded")),
        (("True", "NewReplicaSetAvailable"), 9999, ("True", "NewReplicaSetAvailable")),
        (("Unknown", "DeploymentPaused"), 9999, ("Unknown", "DeploymentResumed")),
    ],
)
def test_the_progress_deadline(progressing: tuple[str, str], later: float, expected: tuple[str, str]) -> None:
    wanted = deployment(3)
    new = replicaset("new", 3, 0)
    wanted["status"] = status(replicas=3, updatedReplicas=3, unavailableReplicas=3)
    deployment_status.set_progress(wanted["status"], *progressing, "", NOW)
    made = deployment_status.status_of(wanted, new, [new], NOW + later)
    condition = condition_of({"status": made}, "Progressing") or {}
    assert (condition["status"], condition["reason"]) == expected
    assert made["unavailableReplicas"] == 3


def test_the_best_pods_to_delete_come_first() -> None:
    def pod(
        name: str, phase: str = "Running", ready: int | None = 100, node: str = "n", cost: str = "", restarts: int = 0
    ) -> Obj:
        conditions = []
        if ready is not None:
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(NOW - ready)}]
        return {
            "metadata": {
                "name": name,
                "annotations": {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {},
            },
            "spec": {"nodeName": node} if node else {},
            "status": {"phase": phase, "conditions": conditions, "containerStatuses": [{"restartCount": restarts}]},
        }

    expected = [
        pod("unbound", "Pending", None, node=""),
        pod("pending", "Pending", None),
        pod("unready", ready=None),
        pod("cheap", ready=500, cost="-1"),
        pod("young", ready=10),
        pod("restarted", ready=100, restarts=3),
        pod("old", ready=100),
        pod("dear", ready=5, cost="7"),
    ]
    names = [each["metadata"]["name"] for each in expected]
    assert [each["metadata"]["name"] for each in sorted(reversed(expected), key=deletion_rank)] == names
