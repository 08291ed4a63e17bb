"""What nothing acts on says so."""

from __future__ import annotations

import pytest

from k9lite.api.catalog import CONFIGMAPS, CRONJOBS, EVENTS, INGRESSES, JOBS, PRIORITYCLASSES, STATEFULSETS
from k9lite.api.objects import Obj, condition_of
from k9lite.api.resources import Resource
from k9lite.controllers.not_implemented import ACTS_ON, REASON
from tests.controllers.plane import Plane, deployment
from tests.support.wait import eventually

JOB: Obj = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}
SPECS: dict[Resource, Obj] = {
    STATEFULSETS: {"spec": deployment()["spec"]},
    JOBS: {"spec": JOB},
    CRONJOBS: {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}},
    INGRESSES: {"spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}},
    PRIORITYCLASSES: {"value": 5},
}


def told(plane: Plane, uid: str) -> list[Obj]:
    found = plane.objects(EVENTS)
    return [event for event in found if event["involvedObject"]["uid"] == uid and event["reason"] == REASON]


@pytest.mark.parametrize("resource", SPECS)
async def test_it_is_told_once_by_an_event_and_a_condition(plane: Plane, resource: Resource) -> None:
    space = "default" if resource.namespaced else ""
    made = (await plane.registry.create(resource, space, {"metadata": {"name": "web"}, **SPECS[resource]})).obj
    uid = made["metadata"]["uid"]
    await eventually(lambda: told(plane, uid))
    if resource in (STATEFULSETS, JOBS):
        condition = await eventually(lambda: condition_of(plane.get(resource, "web"), REASON))
        assert condition is not None
        assert (condition["status"], condition["message"]) == ("True", ACTS_ON[resource])

    def label(obj: Obj) -> Obj:
        obj["metadata"]["labels"] = {"seen": "again"}
        return obj

    await plane.registry.mutate(resource, space, "web", label)
    await eventually(lambda: plane.context.idle)
    (event,) = told(plane, uid)
    assert (event["type"], event["count"]) == ("Warning", 1)
    assert event["message"] == f"{resource.kind}: {ACTS_ON[resource]}"


async def test_what_needs_no_controller_says_nothing(plane: Plane) -> None:
    made = await plane.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "c"}})
    other = await plane.registry.create(INGRESSES, "default", {"metadata": {"name": "i"}, **SPECS[INGRESSES]})
    await eventually(lambda: told(plane, other.obj["metadata"]["uid"]))
    assert not told(plane, made.obj["metadata"]["uid"])
