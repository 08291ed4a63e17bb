"""Unknown and duplicate fields: found wherever they are, named by their paths, dropped."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k9lite.api.duplicates import json_duplicates, yaml_duplicates
from k9lite.api.errors import ApiError
from k9lite.api.schema import check_types
from k9lite.api.types import fields_of, is_struct, item_of, type_of
from k9lite.api.writer import STRICT, WARN, Writer, default_manager, warning_header
from tests.support.generated import objects
from tests.support.objects import deployment

slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def structs_in(type_name: str, value: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every typed object inside a value, with its path."""
    item = item_of(type_name)
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(value, list) and item:
        for index, inner in enumerate(value):
            found += structs_in(item, inner, f"{path}[{index}]")
    elif isinstance(value, dict) and item:
        for key, inner in value.items():
            found += structs_in(item, inner, f"{path}.{key}" if path else key)
    elif isinstance(value, dict) and is_struct(type_name):
        found.append((path, value))
        for key, inner in value.items():
            if key in fields_of(type_name):
                found += structs_in(fields_of(type_name)[key]["t"], inner, f"{path}.{key}" if path else key)
    return found


@slow
@given(objects())
def test_what_a_kind_has_passes_unchanged(obj: dict[str, Any]) -> None:
    checked = deepcopy(obj)
    assert check_types(obj["apiVersion"], obj["kind"], checked) == []
    assert checked == obj


@slow
@given(objects(), st.data())
def test_what_it_has_not_is_named_and_dropped(obj: dict[str, Any], data: st.DataObject) -> None:
    changed = deepcopy(obj)
    type_name = type_of(obj["apiVersion"], obj["kind"])
    assert type_name
    places = structs_in(type_name, changed)
    chosen = data.draw(st.lists(st.sampled_from(range(len(places))), unique=True, min_size=1, max_size=3))
    for place in chosen:
        places[place][1]["bogus"] = data.draw(st.sampled_from([None, 1, "x", {"a": 1}, [{}]]))
    paths = {f"{path}.bogus" if path else "bogus" for path, _ in (places[place] for place in chosen)}
    assert set(check_types(obj["apiVersion"], obj["kind"], changed)) == paths
    assert changed == obj


def test_deep_json_without_a_type_is_refused() -> None:
    data: Any = 1
    for _ in range(250):
        data = [data]
    with pytest.raises(ApiError, match="levels"):
        check_types("apps/v1", "ControllerRevision", {"data": data})


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"a": 1, "a": 2}', ["a"]),
        (
            '{"spec": {"replicas": 1, "b": [{"x": 1}, {"x": 1, "y": {}, "x": 3}], "replicas": 2}}',
            ["spec.b[1].x", "spec.replicas"],
        ),
        ('{"a" : 1, "b" : {"c":1,"c":1}}', ["b.c"]),
        ('{"a": "\\":", "b": "{\\"a\\": 1, \\"a\\": 2}"}', []),
        ('{"a":1,"b":{"a":1}}', []),
        ("[1]", []),
    ],
)
def test_keys_that_come_twice(text: str, paths: list[str]) -> None:
    assert json_duplicates(text.encode(), json.loads(text)) == paths
    assert yaml_duplicates(text.encode()) == paths


@slow
@given(objects(depth=3))
def test_no_object_has_duplicates(obj: dict[str, Any]) -> None:
    for indent in (None, 2):
        text = json.dumps(obj, indent=indent).encode()
        assert json_duplicates(text, obj) == []


def test_strict_names_all_and_warn_warns_of_each_once() -> None:
    obj, unknown = deployment(), ["spec.bogus", "spec.template.spec.containers[0].imagee"]
    strict = Writer(validation=STRICT, duplicates=["spec.replicas"])
    message = (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.bogus", '
        'unknown field "spec.template.spec.containers[0].imagee", duplicate field "spec.replicas"'
    )
    with pytest.raises(ApiError) as caught:
        strict.judge("apps/v1", "Deployment", obj, unknown)
    assert (caught.value.code, caught.value.message) == (400, message)
    strict.is_patch = True
    with pytest.raises(ApiError, match="strict decoding error: unknown field") as caught:
        strict.judge("apps/v1", "Deployment", obj, unknown)
    assert caught.value.code == 422
    warn = Writer(validation=WARN)
    warn.judge("apps/v1", "Deployment", obj, unknown)
    warn.judge("apps/v1", "Deployment", obj, unknown)
    assert warning_header(warn.warnings) == (
        r'299 - "unknown field \"spec.bogus\"", 299 - "unknown field \"spec.template.spec.containers[0].imagee\""'
    )


@given(st.text(), st.lists(st.text(min_size=1), max_size=5))
def test_no_name_breaks_a_header(agent: str, unknown: list[str]) -> None:
    writer = Writer(manager=default_manager(agent), validation=WARN)
    writer.judge("v1", "Pod", {}, unknown)
    header = warning_header(writer.warnings)
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in header)
    assert writer.manager.isprintable()
    assert 0 < len(writer.manager) <= 128
