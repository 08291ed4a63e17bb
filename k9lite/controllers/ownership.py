"""Adopting what a selector matches and releasing what it no longer does.

Source: k8s.io/kubernetes/pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from k9lite.api.objects import (
    Obj,
    controller_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.controllers.context import Context
from k9lite.controllers.informers import is_controlled_by, owners, uncontrolled


async def claim(context: Context, resource: Resource, owner: Obj, selector: LabelSelector) -> list[Obj]:
    """The objects that `owner` controls, after adopting orphans that match and releasing those that do not."""
    informer, uid, space = context.of(resource), uid_of(owner), namespace_of(owner)
    owned = [obj for obj in informer.by(owners, uid) if is_controlled_by(obj, uid)]
    if is_deleting(owner):
        return owned
    strays = [obj for obj in owned if not selector.matches(labels_of(obj))]
    orphans = [
        obj for obj in informer.by(uncontrolled, space) if not is_deleting(obj) and selector.matches(labels_of(obj))
    ]
    if not strays and not orphans:
        return owned
    for obj in strays:
        await _release(context, resource, obj, uid)
    for obj in orphans:
        await _adopt(context, resource, obj, owner)
    context.informers.catch_up()
    return [obj for obj in informer.by(owners, uid) if is_controlled_by(obj, uid) and selector.matches(labels_of(obj))]


async def _adopt(context: Context, resource: Resource, orphan: Obj, owner: Obj) -> None:
    def change(obj: Obj) -> Obj | None:
        if uid_of(obj) != uid_of(orphan) or controller_of(obj) or is_deleting(obj):
            return None
        if context.informers.owner(uid_of(owner)) is None:
            return None
        metadata = obj["metadata"]
        others = [ref for ref in metadata.get("ownerReferences") or [] if ref.get("uid") != uid_of(owner)]
        metadata["ownerReferences"] = [*others, owner_reference(owner)]
        return obj

    await context.registry.mutate(resource, namespace_of(orphan), name_of(orphan), change)


async def _release(context: Context, resource: Resource, stray: Obj, owner_uid: str) -> None:
    await context.registry.mutate(
        resource, namespace_of(stray), name_of(stray), lambda obj: without_owners(obj, {owner_uid}, uid_of(stray))
    )


def without_owners(obj: Obj, uids: set[str], expected_uid: str) -> Obj | None:
    """The object without the references to those owners; None if it has none of them, or is another object by now."""
    metadata = obj["metadata"]
    references = metadata.get("ownerReferences") or []
    kept = [reference for reference in references if reference.get("uid") not in uids]
    if uid_of(obj) != expected_uid or len(kept) == len(references):
        return None
    metadata["ownerReferences"] = kept
    if not kept:
        del metadata["ownerReferences"]
    return obj
