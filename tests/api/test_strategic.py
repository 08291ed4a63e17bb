"""Strategic merge patches against the examples of kubectl and the rules of its directives."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k9lite.api.errors import ApiError
from k9lite.api.patch import STRATEGIC, apply_patch
from k9lite.api.strategic import strategic_merge
from k9lite.api.types import type_of
from tests.support.generated import objects
from tests.support.objects import json_objects


def pod(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def patched_spec(old: dict[str, Any], patch: dict[str, Any]) -> Any:
    return strategic_merge(pod(old), {"spec": patch}, "Pod")["spec"]


A, B, C = ({"name": name, "image": f"{name}:1"} for name in "abc")


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        # lists of objects merge by their key, new items come last
        ({"containers": [A, B]}, {"containers": [{"name": "b", "image": "x"}, C]}, {"containers": [A, B | {"image": "x"}, C]}),
        ({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [B]}),
        ({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]}, {"containers": [C]}),
        ({"containers": [A]}, {"containers": [{"name": "a", "image": None}]}, {"containers": [{"name": "a"}]}),
        ({}, {"containers": [A | {"command": None}]}, {"containers": [A]}),
        ({}, {"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": []}),
        # lists without a strategy are replaced
        ({"containers": [A | {"args": ["x"]}]}, {"containers": [{"name": "a", "args": ["y"]}]}, {"containers": [A | {"args": ["y"]}]}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        # maps
        ({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"b": None, "c": "3"}}, {"nodeSelector": {"a": "1", "c": "3"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "replace", "c": "3"}}, {"nodeSelector": {"c": "3"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "delete"}}, {"nodeSelector": {}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "merge", "b": "2"}}, {"nodeSelector": {"a": "1", "b": "2"}}),
        # $retainKeys: another source of a volume replaces the one before
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
        ),
        # $setElementOrder
        (
            {"containers": [A, B]},
            {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}], "containers": [C]},
            {"containers": [C, B, A]},
        ),
        (
            {"containers": [A, {"name": "sidecar"}, B]},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "x"}]},
            {"containers": [{"name": "sidecar"}, B, A | {"image": "x"}]},
        ),
        ({"containers": [A, B]}, {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}, {"containers": [B, A]}),
        ({}, {"$setElementOrder/containers": [{"name": "b"}]}, {}),
        ({"hostNetwork": True}, {"hostNetwork": False, "hostname": "x"}, {"hostNetwork": False, "hostname": "x"}),
    ],
)  # fmt: skip
def test_pods(old: dict[str, Any], patch: dict[str, Any], new: dict[str, Any]) -> None:
    assert patched_spec(deepcopy(old), deepcopy(patch)) == new


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"finalizers": ["a", "b"]}, {"finalizers": ["c", "a"]}, {"finalizers": ["a", "b", "c"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        (
            {"finalizers": ["a", "b"]},
            {
                "$deleteFromPrimitiveList/finalizers": ["a"],
                "$setElementOrder/finalizers": ["c", "b"],
                "finalizers": ["c"],
            },
            {"finalizers": ["c", "b"]},
        ),
        (
            {"ownerReferences": [{"uid": "1", "name": "a"}]},
            {"ownerReferences": [{"uid": "2", "name": "b"}, {"uid": "1", "controller": True}]},
            {"ownerReferences": [{"uid": "1", "name": "a", "controller": True}, {"uid": "2", "name": "b"}]},
        ),
    ],
)
def test_metadata(old: dict[str, Any], patch: dict[str, Any], new: dict[str, Any]) -> None:
    assert strategic_merge({"metadata": old}, {"metadata": patch}, "Pod") == {"metadata": new}


def test_service_ports_merge_by_port_alone() -> None:
    old = {"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30001}, {"port": 53, "protocol": "UDP"}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": "web"}]}}
    ports = strategic_merge(old, patch, "Service")["spec"]["ports"]
    assert ports == [
        {"port": 80, "protocol": "TCP", "nodePort": 30001, "targetPort": "web"},
        {"port": 53, "protocol": "UDP"},
    ]


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"containers": [{"image": "x"}]}, "does not contain declared merge key: name"),
        ({"containers": ["x"]}, "objects only"),
        ({"nodeSelector": {"$patch": "explode"}}, "unknown patch type found: explode"),
        ({"$setElementOrder/containers": {}, "containers": [A]}, "must be a list"),
        ({"$retainKeys": "x"}, "must be a list"),
    ],
)
def test_what_makes_no_sense_is_refused(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError, match=words) as caught:
        patched_spec({"containers": [A]}, patch)
    assert caught.value.code == 400


slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@slow
@given(objects(depth=5))
def test_an_object_patched_with_itself_stays_as_it_is(obj: dict[str, Any]) -> None:
    type_name = type_of(obj["apiVersion"], obj["kind"])
    assert type_name
    try:
        once = strategic_merge(deepcopy(obj), deepcopy(obj), type_name)
    except ApiError as error:
        assert "merge key" in error.message  # noqa: PT017 - generated list items may lack theirs
        return
    assert strategic_merge(deepcopy(once), deepcopy(obj), type_name) == once


@slow
@given(
    json_objects,
    st.lists(st.sampled_from(["$patch", "$retainKeys", "$setElementOrder/containers", "containers", "volumes"])),
)
def test_no_patch_breaks_anything(patch: Any, keys: list[str]) -> None:
    changed: Any = {"spec": dict.fromkeys(keys, patch) | patch}
    try:
        made = apply_patch(STRATEGIC, changed, pod({"containers": [A, B]}))
    except ApiError as error:
        code = error.code
    else:
        assert isinstance(made, dict)
        code = 200
    assert code in (200, 400)


def test_kinds_without_fields_take_no_strategic_patch() -> None:
    with pytest.raises(ApiError, match=r"json-patch.json, application/merge-patch.json, application/apply") as caught:
        apply_patch(STRATEGIC, {}, {"apiVersion": "example.com/v1", "kind": "Backup"})
    assert caught.value.code == 415
