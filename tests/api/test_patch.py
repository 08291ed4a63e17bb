"""Merge and JSON patches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.errors import ApiError
from k9lite.api.patch import JSON, MERGE, STRATEGIC, apply_patch, merge
from tests.support.objects import json_leaves as leaves
from tests.support.objects import json_objects as objects


def test_merge_patch_deletes_with_null_and_replaces_lists() -> None:
    patched = apply_patch(MERGE, {"a": {"b": None, "d": [3]}}, {"a": {"b": 1, "c": 2, "d": [1, 2]}})
    assert patched == {"a": {"c": 2, "d": [3]}}


@given(objects, objects)
def test_a_merge_patch_applied_twice_does_no_more(old: Any, patch: Any) -> None:
    once = merge(old, patch)
    assert merge(once, patch) == once


pointers = st.sampled_from(["", "/", "/a", "/b/c", "/a/0", "/a/-", "/a/b/c", "a", "/~", "/metadata", 5, None])
steps = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "nonsense", 7])},
    optional={"path": pointers, "from": pointers, "value": leaves | objects},
)


@given(st.lists(steps, max_size=4), objects)
def test_no_json_patch_breaks_anything(patch: Any, obj: Any) -> None:
    try:
        patched = apply_patch(JSON, patch, obj)
    except ApiError as error:
        code = error.code
    else:
        assert isinstance(patched, dict)
        code = 200
    assert code in (200, 400, 422)


def test_a_json_patch_is_bounded() -> None:
    with pytest.raises(ApiError, match="maximum operations in a JSON patch is 10000, got 10001") as caught:
        apply_patch(JSON, [{"op": "test", "path": "/a", "value": 1}] * 10_001, {"a": 1})
    assert caught.value.code == 413


def test_json_patch_and_its_errors() -> None:
    assert apply_patch(JSON, [{"op": "replace", "path": "/a", "value": 2}], {"a": 1}) == {"a": 2}
    for patch, code in (({"op": "x"}, 400), ([{"op": "replace", "path": "/b", "value": 1}], 422),
                        ([{"op": "test", "path": "/a", "value": 9}], 422)):  # fmt: skip
        with pytest.raises(ApiError) as caught:
            apply_patch(JSON, patch, {"a": 1})
        assert caught.value.code == code


def test_an_unknown_patch_type_lists_the_known_ones() -> None:
    with pytest.raises(ApiError, match="accepted media types include: application/json-patch") as caught:
        apply_patch(STRATEGIC, {}, {})
    assert caught.value.code == 415
