"""Pruning, defaults, validation and the well-formedness of structural schemas."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.custom.structural import PRESERVE, fill, prune
from k9lite.api.custom.values import check
from k9lite.api.custom.wellformed import check_schema, rules_in
from tests.support.definitions import SCHEMA, crontab

SPEC = SCHEMA["properties"]["spec"]


def messages(spec: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in check({"spec": spec}, SCHEMA)]


def test_unknown_fields_are_dropped_and_told() -> None:
    obj = crontab(extra=1, anything={"a": {"b": 1}}, labels={"x": "y"}, steps=[{"name": "s", "odd": 1}]) | {"top": 1}
    assert prune(obj, SCHEMA, is_object=True) == ["spec.extra", "spec.steps[0].odd", "top"]
    assert obj == crontab(anything={"a": {"b": 1}}, labels={"x": "y"}, steps=[{"name": "s"}])


def test_inside_what_is_preserved_named_fields_are_still_pruned() -> None:
    schema = {"type": "object", PRESERVE: True, "properties": {"known": {"type": "object", "properties": {}}}}
    obj = {"known": {"x": 1}, "other": {"y": 1}}
    assert prune(obj, schema) == ["known.x"]
    assert obj == {"known": {}, "other": {"y": 1}}


def test_embedded_objects_keep_what_every_object_has() -> None:
    schema = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"a": 1}, "status": {}}
    assert prune(obj, schema) == ["spec.a", "status"]
    assert [cause.field for cause in check({"metadata": {}}, schema)] == ["apiVersion", "kind"]


def test_defaults_fill_what_is_absent_or_null() -> None:
    obj = crontab(image=None, note=None, replicas=None, steps=[{"name": "a"}, {"name": "b", "retries": 0}])
    fill(obj, SCHEMA)
    assert obj["spec"] == {
        "cronSpec": "* * * * */5", "image": "nginx", "note": None,
        "steps": [{"name": "a", "retries": 3}, {"name": "b", "retries": 0}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "spec.cronSpec: Required value"),
        ({"cronSpec": 5}, 'spec.cronSpec: Invalid value: "integer": spec.cronSpec in body must be of type string: "integer"'),
        ({"cronSpec": "* *"}, r"""spec.cronSpec: Invalid value: "* *": spec.cronSpec in body should match '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'"""),
        ({"replicas": 15}, "spec.replicas: Invalid value: 15: spec.replicas in body should be less than or equal to 10"),
        ({"replicas": 0}, "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"),
        ({"replicas": "3"}, 'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'),
        ({"replicas": 1.5}, 'spec.replicas: Invalid value: "number": spec.replicas in body must be of type integer: "number"'),
        ({"replicas": True}, 'spec.replicas: Invalid value: "boolean": spec.replicas in body must be of type integer: "boolean"'),
        ({"image": "x"}, 'spec.image: Unsupported value: "x": supported values: "busybox", "nginx"'),
        ({"image": None}, 'spec.image: Invalid value: "null": spec.image in body must be of type string: "null"'),
        ({"note": "too long"}, "spec.note: Too long: may not be more than 5 bytes"),
        ({"port": 1.5}, 'spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number"'),
        ({"labels": {"a": 1}}, 'spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"'),
        ({"steps": []}, "spec.steps: Invalid value: 0: spec.steps in body should have at least 1 items"),
        ({"steps": [{}]}, "spec.steps[0].name: Required value"),
        ({"steps": [{"name": "a"}, {"name": "a"}]}, 'spec.steps[1]: Duplicate value: {"name":"a"}'),
    ],
)  # fmt: skip
def test_values_are_refused_in_upstreams_words(spec: dict[str, Any], message: str) -> None:
    assert messages({"cronSpec": "* * * * *"} | spec if spec else {}) == [message]


def test_what_is_allowed_is_allowed() -> None:
    assert not messages(
        {"cronSpec": "* * * * *", "replicas": 2.0, "port": "http", "note": None, "anything": {"x": [1]}}
    )


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"anyOf": [{"minimum": 5}, {"maximum": 1}]}, [0, 6], [3]),
        ({"oneOf": [{"minimum": 5}, {"minimum": 7}]}, [6], [3, 8]),
        ({"allOf": [{"minimum": 5}, {"maximum": 7}]}, [6], [4, 8]),
        ({"not": {"enum": [3]}}, [4], [3]),
        ({"minimum": 1, "exclusiveMinimum": True}, [2], [1]),
        ({"multipleOf": 0.1}, [0.3], [0.25]),
        ({"format": "int32"}, [1], [1 << 31]),
        ({"type": "string", "format": "date-time"}, ["2024-01-01T00:00:00Z"], ["yesterday"]),
        ({"type": "string", "format": "ipv4"}, ["10.0.0.1"], ["10.0.0"]),
        ({"type": "string", "format": "byte"}, ["aGk="], ["a"]),
        ({"type": "string", "format": "of its own"}, ["x"], []),
        ({"type": "object", "minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 1}]),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": {}}, [["a", "b"]], [["a", "a"]]),
    ],
)  # fmt: skip
def test_conditions_on_values(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    assert not any(check(value, schema, "x") for value in good)
    assert all(check(value, schema, "x") for value in bad)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "s.type: Required value: must not be empty at the root"),
        ({"type": "string"}, 's.type: Invalid value: "string": must be object at the root'),
        ({"properties": {"a": {}}}, "s.properties[a].type: Required value: must not be empty for specified object fields"),
        ({"properties": {"a": {"type": "array"}}}, "s.properties[a].items: Required value: must be specified"),
        ({"properties": {"a": {"type": "array", "items": {}}}}, "s.properties[a].items.type: Required value: must not be empty for specified array items"),
        ({"properties": {"a": {"type": "thing"}}}, 's.properties[a].type: Unsupported value: "thing"'),
        ({"properties": {"a": {"type": "string", "pattern": "("}}}, 's.properties[a].pattern: Invalid value: "(": must be a valid regular'),
        ({"properties": {"a": {"type": "integer", "default": "x"}}}, 's.properties[a].default: Invalid value: "string"'),
        ({"properties": {"a": {"type": "object", "default": {"b": 1}}}}, "s.properties[a].default: Invalid value: "),
        ({"properties": {"a": {"$ref": "#/x"}}}, "s.properties[a].$ref: Forbidden: $ref is not supported"),
        ({"properties": {"a": {"type": "string", "anyOf": [{"type": "string"}]}}}, "s.properties[a].anyOf[0].type: Forbidden: must be empty to be structural"),
        ({"properties": {"a": {"type": "string", "x-kubernetes-int-or-string": True}}}, "s.properties[a].type: Forbidden: must be empty if"),
        ({"properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}, "s.properties[metadata]: Forbidden: must not"),
        ({"properties": {"a": {"type": "object"}}, "additionalProperties": True}, "s.additionalProperties: Forbidden: "),
    ],
)  # fmt: skip
def test_schemas_that_are_not_structural(schema: dict[str, Any], message: str) -> None:
    whole = schema if not schema or "type" in schema else {"type": "object", **schema}
    found = [f"{cause.field}: {cause.message}" for cause in check_schema(whole, "s")]
    assert any(each.startswith(message) for each in found), found


def test_the_documentations_schema_is_structural_and_rules_are_counted() -> None:
    assert check_schema(SCHEMA, "s") == []
    either = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert check_schema({"type": "object", "properties": {"a": either}}, "s") == []
    rule = {"x-kubernetes-validations": [{"rule": "self > 1"}]}
    assert rules_in({"type": "object", "properties": {"a": {"type": "integer", **rule}}, **rule}) == 2


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.sampled_from(["nginx", "* * * * *", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["spec", "cronSpec", "image", "replicas", "port", "note", "steps", "name", "retries", "labels", "anything"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_pruning_and_filling_settle_and_never_break_what_was_valid(value: Any) -> None:
    obj = {"spec": value}
    was_valid = not check(obj, SCHEMA)
    prune(obj, SCHEMA)
    fill(obj, SCHEMA)
    settled = deepcopy(obj)
    assert prune(obj, SCHEMA) == []
    fill(obj, SCHEMA)
    assert obj == settled
    assert not was_valid or not check(obj, SCHEMA)
