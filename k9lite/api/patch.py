"""Patches: JSON merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch."""

from __future__ import annotations

from typing import Any

from k9lite.api.errors import ApiError, bad_request, unsupported_media_type
from k9lite.api.objects import Obj
from k9lite.api.strategic import strategic_merge
from k9lite.api.types import type_of

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
SUPPORTED = (JSON, MERGE, STRATEGIC, APPLY)
MAX_STEPS = 10_000
"""Operations of one JSON patch, as upstream allows."""


def apply_patch(content_type: str, patch: Any, obj: Obj) -> Obj:
    """The patched object; `obj` may be changed. Raises ApiError 400, 415 or 422."""
    if content_type == MERGE:
        if not isinstance(patch, dict):
            raise bad_request("a merge patch must be a JSON object")
        patched: Obj = merge(obj, patch)
        return patched
    if content_type == JSON:
        return _json_patch(patch, obj)
    type_name = type_of(obj.get("apiVersion", ""), obj.get("kind", ""))
    if content_type != STRATEGIC or type_name is None:
        raise unsupported_media_type(supported_for(type_name))
    if not isinstance(patch, dict):
        raise bad_request("a strategic merge patch must be a JSON object")
    return strategic_merge(obj, patch, type_name)


def supported_for(type_name: str | None) -> tuple[str, ...]:
    """The types of patches for a kind: without a type in the field table nothing says how its lists merge."""
    return SUPPORTED if type_name else tuple(kind for kind in SUPPORTED if kind != STRATEGIC)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _json_patch(patch: Any, obj: Obj) -> Obj:
    import jsonpatch
    from jsonpointer import JsonPointerException

    if not isinstance(patch, list) or not all(isinstance(step, dict) for step in patch):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch")
    if len(patch) > MAX_STEPS:
        why = f"The allowed maximum operations in a JSON patch is {MAX_STEPS}, got {len(patch)}"
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity is too large: {why}")
    try:
        patched: Obj = jsonpatch.apply_patch(obj, patch, in_place=True)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (
        jsonpatch.JsonPatchException,
        JsonPointerException,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        ValueError,
    ) as error:
        # Without a cause: kubectl would print it instead of these words.
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request") from error
    if not isinstance(patched, dict):
        raise bad_request("the patch did not result in an object")
    return patched
