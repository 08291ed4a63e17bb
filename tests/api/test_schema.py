"""JSON types of fields, and what no malformed object may do: break a rule, a default or a cell."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.catalog import (
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
)
from k9lite.api.errors import ApiError
from k9lite.api.meta import check_identity, prepare_create, prepare_update
from k9lite.api.objects import Obj, copy_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.api.table import table
from tests.support.objects import deployment, pod, service

NOW = "2026-01-02T03:04:05Z"
ABOUT = {"kind": "Pod", "name": "p", "namespace": "default", "uid": "u", "apiVersion": "v1"}


def rich_pod() -> Obj:
    container = {
        "name": "c", "image": "nginx", "command": ["a"], "args": ["b"], "env": [{"name": "A", "value": "b"}],
        "ports": [{"name": "http", "containerPort": 80, "hostPort": 81}],
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "500m"}},
        "readinessProbe": {"httpGet": {"port": 80}},
    }  # fmt: skip
    made = pod(containers=[container], initContainers=[{"name": "i", "image": "x:1"}], restartPolicy="Never")
    made["metadata"] |= {
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "finalizers": ["example.com/f"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "1", "controller": True}],
    }
    made["status"] = {
        "phase": "Running",
        "containerStatuses": [{"name": "c", "ready": True, "restartCount": 1, "state": {"running": {"startedAt": NOW}},
                               "lastState": {"terminated": {"exitCode": 1, "finishedAt": NOW}}}],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": NOW}],
    }  # fmt: skip
    return made


EXAMPLES: list[tuple[Resource, Obj]] = [
    (PODS, rich_pod()),
    (DEPLOYMENTS, deployment(replicas=2, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})),
    (REPLICASETS, {**deployment(), "kind": "ReplicaSet"}),
    (SERVICES, service(type="NodePort", ports=[{"name": "a", "port": 80, "targetPort": "http", "nodePort": 30000}])),
    (NAMESPACES, {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
    (NODES, {"metadata": {"name": "n"}, "spec": {"unschedulable": True, "taints": [{"key": "k", "effect": "NoSchedule"}]},
             "status": {"addresses": [{"type": "InternalIP", "address": "1.2.3.4"}], "nodeInfo": {"osImage": "x"}}}),
    (EVENTS, {"metadata": {"name": "e"}, "involvedObject": ABOUT, "reason": "r", "count": 2, "lastTimestamp": NOW,
              "source": {"component": "c"}}),
    (ENDPOINTS, {"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}]}),
    (ENDPOINTSLICES, {"metadata": {"name": "e"}, "addressType": "IPv4", "ports": [{"port": 80}],
                      "endpoints": [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}]}),
]  # fmt: skip


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths_of(item, (*path, key))
    return found


def put(obj: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        obj = obj[key]
    obj[path[-1]] = value


PLACES = [(resource, obj, path) for resource, obj in EXAMPLES for path in paths_of(obj)]
junk = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4), st.just([]), st.just({}), st.just([None]), st.just([{}]), st.just(["x"]), st.just({"a": None}),
    st.just([[]]), st.just({"a": {}}), st.just("99999999999999999999e999999999"),
)  # fmt: skip


def create(resource: Resource, obj: Any) -> Obj:
    check_identity(resource, obj, "default")
    prepare_create(resource, obj, NOW)
    made: Obj = obj
    return made


@pytest.mark.parametrize(("resource", "obj"), EXAMPLES, ids=lambda value: getattr(value, "plural", ""))
def test_the_examples_are_valid(resource: Resource, obj: Obj) -> None:
    made = create(resource, copy_of(obj))
    again = copy_of(made)
    check_identity(resource, again, "default", made["metadata"]["name"])
    prepare_update(resource, again, made, None)
    assert again == made, "an update that changes nothing changes nothing"


def refusal(call: Callable[[], object]) -> int:
    """The code of the ApiError that `call` raises, 200 without one. Any other exception is a failure."""
    try:
        call()
    except ApiError as error:
        return error.code
    return 200


def update(changed: Obj, valid: Obj, resource: Resource, subresource: str | None) -> None:
    check_identity(resource, changed, "default", valid["metadata"]["name"])
    prepare_update(resource, changed, valid, subresource)
    table(resource, [changed], "1", 0.0)


@given(st.sampled_from(PLACES), junk)
def test_no_malformed_object_breaks_anything(place: tuple[Resource, Obj, tuple[Any, ...]], value: Any) -> None:
    resource, example, path = place
    obj = deepcopy(example)
    put(obj, path, deepcopy(value))
    assert refusal(lambda: table(resource, [create(resource, obj)], "1", 0.0)) in (200, 400, 422)
    valid = create(resource, copy_of(example))
    for subresource in (None, "status"):
        changed = copy_of(valid) | {"status": copy_of(example).get("status", {})}
        put(changed, path, deepcopy(value))
        assert refusal(partial(update, changed, valid, resource, subresource)) in (200, 400, 409, 422)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "replicas"), "3",
         'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into '
         "Go struct field DeploymentSpec.spec.replicas of type int32"),
        (("spec", "replicas"), 2**31, "cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas"),
        (("spec", "replicas"), True, "cannot unmarshal bool into"),
        (("spec", "replicas"), 1.5, "cannot unmarshal number 1.5 into"),
        (("spec", "template", "spec", "containers"), {},
         "cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"),
        (("spec", "template", "spec", "containers", 0, "command"), "run it",
         "cannot unmarshal string into Go struct field Container.spec.template.spec.containers.command of type []string"),
        (("metadata", "labels"), {"a": 1},
         "cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string (quote the value)"),
        (("metadata", "creationTimestamp"), "today", 'parsing time "today"'),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named(path: tuple[Any, ...], value: Any, message: str) -> None:
    obj = deployment()
    put(obj, path, value)
    with pytest.raises(ApiError) as caught:
        check_identity(DEPLOYMENTS, obj, "default")
    assert caught.value.code == 400
    assert message in caught.value.message


def test_null_is_absent() -> None:
    obj = deployment(replicas=None, strategy=None)
    obj["metadata"] |= {"labels": None, "creationTimestamp": None}
    made = create(DEPLOYMENTS, obj)
    assert "labels" not in made["metadata"]
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["strategy"]["type"] == "RollingUpdate"


def test_unknown_fields_are_dropped() -> None:
    assert "nonsense" not in create(PODS, pod(nonsense={"a": [1]}))["spec"]


@given(st.text(max_size=30))
def test_any_text_is_a_selector_or_a_bad_request(text: str) -> None:
    assert refusal(lambda: LabelSelector.parse(text).matches({"a": "b"})) in (200, 400)
