"""Three-way merges, alone and against a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given

from k9lite.api.catalog import DEPLOYMENTS, SERVICES
from k9lite.api.objects import Obj, annotations_of, copy_of, same_json
from k9lite.api.patch import MERGE, apply_patch
from k9lite.client.apply import LAST_APPLIED, apply, difference, merge
from tests.support.objects import json_objects
from tests.support.server import Server


def deployment(**container: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "host", "command": ["true"], **container}]},
            },
        },
    }


@pytest.mark.parametrize(
    ("last", "wanted", "live", "merged"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {}, {"a": 1, "b": 2}, {"b": 2}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 2}}, {"a": {"x": 1, "y": 1, "z": 1}}, {"a": {"x": 2, "z": 1}}),
        ({}, {"l": [1]}, {"l": [1, 2]}, {"l": [1]}),
        ({}, {"a": None}, {"a": 1}, {}),
    ],
)
def test_merge(last: Obj, wanted: Obj, live: Obj, merged: Obj) -> None:
    assert merge(last, wanted, live) == merged


@example({"a": True}, {"a": 1})
@given(json_objects, json_objects)
def test_the_difference_leads_from_one_to_the_other(old: Obj, new: Obj) -> None:
    assert same_json(apply_patch(MERGE, difference(old, new), old), new)


def test_elements_with_a_key_are_merged_one_by_one() -> None:
    last = [{"name": "a"}, {"name": "old"}]
    wanted = [{"name": "a", "image": "2"}, {"name": "new"}]
    live = [{"name": "a", "image": "1", "default": True}, {"name": "old"}, {"name": "injected"}]
    assert merge(last, wanted, live, "containers") == [
        {"name": "a", "image": "2", "default": True},
        {"name": "new"},
        {"name": "injected"},
    ]


def test_ports_of_one_number_differ_by_protocol() -> None:
    wanted = [{"port": 53}, {"port": 53, "protocol": "UDP"}]
    live = [{"port": 53, "protocol": "TCP", "nodePort": 1}, {"port": 53, "protocol": "UDP", "nodePort": 2}]
    assert merge([], wanted, live, "ports") == live


def test_difference_is_a_merge_patch() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    assert difference(old, {"b": {"c": 1, "d": 3}, "e": [1], "f": 1}) == {"a": None, "b": {"d": 3}, "f": 1}
    assert difference(old, copy_of(old)) == {}


async def test_created_unchanged_configured(server: Server) -> None:
    wanted = deployment(env=[{"name": "A", "value": "1"}], ports=[{"containerPort": 80}])
    word, made, _ = await apply(server.client, DEPLOYMENTS, "default", wanted)
    assert word == "created"
    assert LAST_APPLIED in annotations_of(made)
    assert (await apply(server.client, DEPLOYMENTS, "default", wanted))[0] == "unchanged"
    await server.client.scale(DEPLOYMENTS, "default", "web", 7)
    word, changed, foreign = await apply(server.client, DEPLOYMENTS, "default", deployment(image="k9lite/whoami"))
    container = changed["spec"]["template"]["spec"]["containers"][0]
    assert (word, foreign, container["image"]) == ("configured", False, "k9lite/whoami")
    assert "env" not in container
    assert "ports" not in container
    assert changed["spec"]["replicas"] == 7


async def test_what_was_made_otherwise_is_taken_over(server: Server) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    made = await server.client.create(SERVICES, "default", service)
    word, changed, foreign = await apply(server.client, SERVICES, "default", service)
    assert (word, foreign) == ("configured", True)
    assert changed["spec"] == made["spec"]
