"""Merge and JSON patches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.errors import ApiError
from k9lite.api.patch import JSON, MERGE, STRATEGIC, apply_patch, merge, merge_patch_between

leaves = st.one_of(st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
objects = st.recursive(
    st.dictionaries(st.sampled_from("abc"), leaves, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(leaves, inner), max_size=3),
    max_leaves=8,
)


def test_merge_patch_deletes_with_null_and_replaces_lists() -> None:
    patched = apply_patch(MERGE, {"a": {"b": None, "d": [3]}}, {"a": {"b": 1, "c": 2, "d": [1, 2]}})
    assert patched == {"a": {"c": 2, "d": [3]}}


@given(objects, objects)
def test_the_difference_leads_from_one_to_the_other(old: Any, new: Any) -> None:
    assert merge(old, merge_patch_between(old, new)) == new


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
