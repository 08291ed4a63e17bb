"""PodDisruptionBudgets: what they count, and which evictions they allow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from k9lite.api.catalog import DEPLOYMENTS, PODDISRUPTIONBUDGETS, PODS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, condition_of, name_of
from k9lite.registry.eviction import evict
from tests.controllers.plane import Plane, deployment
from tests.support.wait import eventually

VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


def budget(**spec: Any) -> Obj:
    return {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}


async def counted(plane: Plane, **wanted: int) -> Obj:
    """The status, once it has those numbers and is of the newest generation."""

    def status() -> Obj | None:
        found = plane.get(PODDISRUPTIONBUDGETS, "web")
        status: Obj = found["status"]
        is_current = status.get("observedGeneration") == found["metadata"]["generation"]
        return status if is_current and wanted.items() <= status.items() else None

    found = await eventually(status)
    assert found is not None
    return found


async def run_web(plane: Plane, replicas: int = 3) -> None:
    await plane.registry.create(DEPLOYMENTS, "default", deployment("web", replicas))
    await plane.rolled_out("web")


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 2}, 2, 2),
        ({"minAvailable": "30%"}, 2, 2),
        ({"minAvailable": 9}, 9, 0),
        ({"maxUnavailable": 1}, 3, 1),
        ({"maxUnavailable": "30%"}, 2, 2),
        ({"maxUnavailable": 0}, 4, 0),
        ({}, 1, 3),
    ],
)
async def test_what_has_to_be_there_and_what_may_go(plane: Plane, spec: Any, desired: int, allowed: int) -> None:
    await run_web(plane, 4)
    await plane.registry.create(PODDISRUPTIONBUDGETS, "default", budget(**spec))
    status = await counted(plane, expectedPods=4, currentHealthy=4, desiredHealthy=desired, disruptionsAllowed=allowed)
    condition = condition_of({"status": status}, "DisruptionAllowed")
    assert condition is not None
    assert condition["status"] == str(allowed > 0)
    assert condition["reason"] == ("SufficientPods" if allowed else "InsufficientPods")


async def test_numbers_follow_the_workload(plane: Plane) -> None:
    await run_web(plane, 2)
    await plane.registry.create(PODDISRUPTIONBUDGETS, "default", budget(maxUnavailable=1))
    await counted(plane, expectedPods=2, disruptionsAllowed=1)
    await plane.change(DEPLOYMENTS, "web", lambda obj: obj["spec"].update(replicas=5))
    await counted(plane, expectedPods=5, currentHealthy=5, desiredHealthy=4)
    await plane.change(PODDISRUPTIONBUDGETS, "web", lambda obj: obj["spec"].update(maxUnavailable=3))
    await counted(plane, disruptionsAllowed=3)


async def test_many_evictions_at_once_take_what_is_allowed_and_no_more(plane: Plane) -> None:
    await run_web(plane, 5)
    await plane.registry.create(PODDISRUPTIONBUDGETS, "default", budget(minAvailable=3))
    await counted(plane, disruptionsAllowed=2)
    plane.kubelet.keeps = True
    names = [name_of(pod) for pod in plane.pods()]
    answers = await asyncio.gather(
        *(evict(plane.registry, "default", name, DeleteOptions()) for name in names), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert len(refused) == 3
    for error in refused:
        assert (error.code, error.reason, str(error)) == (429, "TooManyRequests", VIOLATES)
        assert error.causes[0]["reason"] == "DisruptionBudget"
        assert error.causes[0]["message"].startswith("The disruption budget web needs 3 healthy pods and has ")
    gone = [pod for pod in plane.pods() if "deletionTimestamp" in pod["metadata"]]
    assert len(gone) == 2
    assert all(condition_of(pod, "DisruptionTarget") for pod in gone)
    plane.kubelet.keeps = False
    plane.kubelet.look_again()
    status = await counted(plane, disruptionsAllowed=2, currentHealthy=5)
    assert "disruptedPods" not in status


async def test_a_budget_that_is_not_counted_yet_asks_to_come_again(plane: Plane) -> None:
    await run_web(plane, 2)
    made = budget(minAvailable=1)
    stored = await plane.registry.create(PODDISRUPTIONBUDGETS, "default", made)
    assert "observedGeneration" not in stored.obj["status"]
    with pytest.raises(ApiError) as raised:
        await evict(plane.registry, "default", name_of(plane.pods()[0]), DeleteOptions())
    assert (raised.value.code, raised.value.details["retryAfterSeconds"]) == (429, 10)
    assert "is still being processed by the server" in raised.value.causes[0]["message"]


async def test_pods_that_serve_nobody_may_go(plane: Plane) -> None:
    await run_web(plane, 3)
    victim = name_of(plane.pods()[0])
    plane.kubelet.holds = lambda pod: name_of(pod) == victim
    plane.kubelet.look_again()
    await plane.registry.create(PODDISRUPTIONBUDGETS, "default", budget(minAvailable=3))
    await counted(plane, currentHealthy=2, disruptionsAllowed=0)
    with pytest.raises(ApiError, match=VIOLATES):  # the budget is not met without it either
        await evict(plane.registry, "default", victim, DeleteOptions())
    await plane.change(
        PODDISRUPTIONBUDGETS, "web", lambda obj: obj["spec"].update(unhealthyPodEvictionPolicy="AlwaysAllow")
    )
    await evict(plane.registry, "default", victim, DeleteOptions())
    await eventually(lambda: not plane.has(PODS, victim))


async def test_a_dry_run_takes_nothing(plane: Plane) -> None:
    await run_web(plane, 2)
    await plane.registry.create(PODDISRUPTIONBUDGETS, "default", budget(minAvailable=1))
    await counted(plane, disruptionsAllowed=1)
    before = plane.store.rv
    for pod in plane.pods():
        await evict(plane.registry, "default", name_of(pod), DeleteOptions(dry_run=True))
    assert plane.store.rv == before


async def test_one_pod_under_two_budgets_is_not_evicted(plane: Plane) -> None:
    await run_web(plane, 2)
    for name in ("one", "two"):
        await plane.registry.create(
            PODDISRUPTIONBUDGETS, "default", budget(minAvailable=1) | {"metadata": {"name": name}}
        )
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget"):
        await evict(plane.registry, "default", name_of(plane.pods()[0]), DeleteOptions())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, "minAvailable and maxUnavailable cannot be both set"),
        ({"minAvailable": -1}, "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"),
        ({"maxUnavailable": "x"}, 'spec.maxUnavailable: Invalid value: "x": a valid percent string must be'),
        ({"maxUnavailable": "101%"}, "must not be greater than 100%"),
        ({"unhealthyPodEvictionPolicy": "Never"}, 'Unsupported value: "Never"'),
    ],
)
async def test_budgets_that_are_refused(plane: Plane, spec: Any, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        await plane.registry.create(PODDISRUPTIONBUDGETS, "default", budget(**spec))
    assert message in str(raised.value)
