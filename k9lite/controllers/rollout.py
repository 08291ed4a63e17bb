"""The arithmetic of Deployments: which ReplicaSet is new, and how many replicas each may have. Pure.

Replicas that are promised (spec) and not yet deleted count towards maxSurge; replicas that are available and not yet
given up count towards maxUnavailable. Source: k8s.io/kubernetes/pkg/controller/deployment/{rolling,sync}.go and
util/deployment_util.go.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import orjson

from k9lite.api.objects import Obj, annotations_of, dig, is_deleting, name_of
from k9lite.controllers.pods import created_at

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def replicas_of(obj: Obj) -> int:
    """spec.replicas."""
    return int(dig(obj, "spec", "replicas", default=0))


def total(sets: Sequence[Obj]) -> int:
    return sum(map(replicas_of, sets))


def is_rolling(deployment: Obj) -> bool:
    return bool(dig(deployment, "spec", "strategy", "type", default="RollingUpdate") == "RollingUpdate")


def _resolved(value: Any, replicas: int, *, up: bool) -> int:
    """An IntOrString as a number of replicas."""
    if isinstance(value, str):
        try:
            share = int(value.removesuffix("%")) * replicas
        except ValueError:
            return 0
        return -(-share // 100) if up else share // 100
    return int(value or 0)


def limits(deployment: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable): percentages of the replicas, the first rounded up, the second down.

    Both zero would never move: then one may be unavailable.
    """
    if not is_rolling(deployment):
        return 0, 0
    rolling, replicas = dig(deployment, "spec", "strategy", "rollingUpdate", default={}), replicas_of(deployment)
    surge = _resolved(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _resolved(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def available(replicaset: Obj) -> int:
    """Replicas that are available and will stay: never more than the set still promises."""
    return min(int(dig(replicaset, "status", "availableReplicas", default=0)), replicas_of(replicaset))


# Templates and revisions -----------------------------------------------------------------------------
def _bare(template: Obj) -> Obj:
    """The template without its hash label and without empty metadata."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def same_template(one: Obj, other: Obj) -> bool:
    return _bare(one) == _bare(other)


def template_hash(template: Obj, collisions: int = 0) -> str:
    """Ten characters that tell templates apart; `collisions` gives another ten."""
    digest = hashlib.sha256(orjson.dumps([_bare(template), collisions], option=orjson.OPT_SORT_KEYS)).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])


def by_age(sets: Sequence[Obj]) -> list[Obj]:
    """Oldest first."""
    return sorted(sets, key=lambda each: (created_at(each), revision_of(each), name_of(each)))


def find_new(deployment: Obj, sets: Sequence[Obj]) -> Obj | None:
    """The (oldest) set that has the deployment's template."""
    template = dig(deployment, "spec", "template", default={})
    return next((each for each in by_age(sets) if same_template(dig(each, "spec", "template", default={}), template)),
                None)  # fmt: skip


def revision_of(obj: Obj) -> int:
    try:
        return int(annotations_of(obj).get(REVISION, "0"))
    except ValueError:
        return 0


def _annotated(replicaset: Obj, name: str) -> int | None:
    try:
        return int(annotations_of(replicaset)[name])
    except (KeyError, ValueError):
        return None


def is_scaling(deployment: Obj, sets: Sequence[Obj]) -> bool:
    """Whether the number of replicas changed since the active sets were sized."""
    wanted = replicas_of(deployment)
    return any(_annotated(each, DESIRED) not in (None, wanted) for each in sets if replicas_of(each) > 0)


# Rolling update --------------------------------------------------------------------------------------
def new_replicas(deployment: Obj, new: int, everything: int) -> int:
    """How many replicas the new set may have, where it has `new` and all sets together have `everything`."""
    wanted = replicas_of(deployment)
    if not is_rolling(deployment):
        return wanted
    if new > wanted:
        return wanted
    room = wanted + limits(deployment)[0] - everything
    return new + min(room, wanted - new) if room > 0 else new


def old_replicas(deployment: Obj, new: Obj, old: Sequence[Obj]) -> dict[str, int]:
    """{name: replicas} of the old sets to shrink now: first what is not available anyway, then the oldest."""
    active = [each for each in by_age(old) if replicas_of(each) > 0]
    minimum = replicas_of(deployment) - limits(deployment)[1]
    new_unavailable = replicas_of(new) - available(new)
    budget = total(active) + replicas_of(new) - minimum - new_unavailable
    if budget <= 0:
        return {}
    sizes = {name_of(each): replicas_of(each) for each in active}
    for each in active:
        cut = min(budget, replicas_of(each) - available(each))
        sizes[name_of(each)] -= cut
        budget -= cut
    spare = min(budget, sum(map(available, active)) + available(new) - minimum)
    for each in active:
        if spare <= 0:
            break
        cut = min(spare, sizes[name_of(each)])
        sizes[name_of(each)] -= cut
        spare -= cut
    return {name_of(each): sizes[name_of(each)] for each in active if sizes[name_of(each)] != replicas_of(each)}


# Scaling ---------------------------------------------------------------------------------------------
def scaled(deployment: Obj, new: Obj | None, old: Sequence[Obj]) -> dict[str, int]:
    """{name: replicas} after a change of spec.replicas: all in one set, or shared in proportion while rolling."""
    sets = [*([new] if new else []), *old]
    active = [each for each in sets if replicas_of(each) > 0]
    wanted = replicas_of(deployment)
    if len(active) <= 1:
        only = active[0] if active else new or max(old, key=created_at, default=None)
        return {name_of(only): wanted} if only and replicas_of(only) != wanted else {}
    if new is not None and _is_saturated(deployment, new):
        return {name_of(each): 0 for each in old if replicas_of(each) > 0}
    if not is_rolling(deployment):
        return {}
    allowed = wanted + limits(deployment)[0] if wanted > 0 else 0
    to_add = allowed - total(active)
    # The largest first; of equals the newest first when growing, the oldest first when shrinking.
    active.sort(key=lambda each: (-replicas_of(each), -created_at(each) if to_add > 0 else created_at(each)))
    sizes, added = {}, 0
    for each in active:
        share = _share(deployment, each, to_add, added)
        sizes[name_of(each)] = replicas_of(each) + share
        added += share
    first = name_of(active[0])
    sizes[first] = max(0, sizes[first] + to_add - added)
    return {name_of(each): sizes[name_of(each)] for each in active if sizes[name_of(each)] != replicas_of(each)}


def _is_saturated(deployment: Obj, new: Obj) -> bool:
    wanted = replicas_of(deployment)
    return replicas_of(new) == wanted and _annotated(new, DESIRED) == wanted and available(new) == wanted


def _share(deployment: Obj, replicaset: Obj, to_add: int, added: int) -> int:
    """What one set gets of the replicas to add (or, below zero, gives)."""
    if to_add == 0:
        return 0
    size, wanted = replicas_of(replicaset), replicas_of(deployment)
    if wanted == 0:
        fraction = -size
    else:
        before = _annotated(replicaset, MAX_REPLICAS) or int(dig(deployment, "status", "replicas", default=0)) or size
        fraction = math.floor(size * (wanted + limits(deployment)[0]) / before + 0.5) - size
    remaining = to_add - added
    return max(0, min(fraction, remaining)) if to_add > 0 else min(0, max(fraction, remaining))


# History ---------------------------------------------------------------------------------------------
def expired_sets(deployment: Obj, old: Sequence[Obj]) -> list[Obj]:
    """The old sets beyond revisionHistoryLimit that hold nothing any more."""
    limit = dig(deployment, "spec", "revisionHistoryLimit")
    living = [each for each in old if not is_deleting(each)]
    if limit is None or len(living) <= limit:
        return []
    oldest = sorted(living, key=revision_of)[: len(living) - limit]
    return [each for each in oldest if _holds_nothing(each)]


def _holds_nothing(replicaset: Obj) -> bool:
    observed = int(dig(replicaset, "status", "observedGeneration", default=0))
    return (
        replicas_of(replicaset) == 0
        and dig(replicaset, "status", "replicas", default=0) == 0
        and observed >= int(dig(replicaset, "metadata", "generation", default=0))
    )
