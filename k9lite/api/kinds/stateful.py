"""The apps group, v1: StatefulSet, DaemonSet, ControllerRevision. Source: pkg/apis/apps/{v1/defaults.go,validation}."""

from __future__ import annotations

from k9lite.api.errors import Cause
from k9lite.api.kinds.apps import (
    default_template,
    number_cell,
    selector_cell,
    template_cell,
    validate_selector_update,
    validate_workload,
)
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, controller_of, dig
from k9lite.api.printing import NONE, labels_text
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import check_non_negative, immutable, not_allowed, required, unsupported, wrong

_STRATEGIES = ("OnDelete", "RollingUpdate")
_POLICIES = ("OrderedReady", "Parallel")
_KEEP = ("Delete", "Retain")
_UPDATABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


# StatefulSet -----------------------------------------------------------------------------------------
def _default_statefulset(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    keep = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    keep.setdefault("whenDeleted", "Retain")
    keep.setdefault("whenScaled", "Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim["status"] = {"phase": "Pending"}
    default_template(spec)


def _validate_statefulset(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = validate_workload(obj, "statefulset")
    if spec["podManagementPolicy"] not in _POLICIES:
        causes.append(
            wrong("spec.podManagementPolicy", spec["podManagementPolicy"],
                  f"must be '{_POLICIES[0]}' or '{_POLICIES[1]}'")
        )  # fmt: skip
    strategy = spec["updateStrategy"]
    if strategy["type"] not in _STRATEGIES:
        causes.append(
            wrong("spec.updateStrategy", strategy, f"must be '{_STRATEGIES[1]}' or '{_STRATEGIES[0]}'")
        )  # fmt: skip
    elif strategy["type"] == "OnDelete" and strategy.get("rollingUpdate"):
        why = "only allowed for updateStrategy 'RollingUpdate'"
        causes.append(wrong("spec.updateStrategy.rollingUpdate", strategy["rollingUpdate"], why))
    partition = dig(strategy, "rollingUpdate", "partition")
    causes += check_non_negative("spec.updateStrategy.rollingUpdate.partition", partition)
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        causes += check_non_negative(f"spec.{field}", spec.get(field))
    for field, value in spec["persistentVolumeClaimRetentionPolicy"].items():
        if value not in _KEEP:
            causes.append(unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{field}", value, _KEEP))
    return causes


def _validate_statefulset_update(new: Obj, old: Obj) -> list[Cause]:
    fixed = [{key: value for key, value in obj["spec"].items() if key not in _UPDATABLE} for obj in (new, old)]
    if fixed[0] == fixed[1]:
        return []
    *most, last = (f"'{field}'" for field in _UPDATABLE)
    why = f"updates to statefulset spec for fields other than {', '.join(most)} and {last} are forbidden"
    return [not_allowed("spec", why)]


def _statefulset_status(obj: Obj) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


STATEFULSETS = Resource(
    "apps", "v1", "StatefulSet", "statefulsets", "statefulset",
    short_names=("sts",), categories=("all",), subresources=("status", "scale"), has_generation=True,
    default=_default_statefulset, reset_status=_statefulset_status,
    validate=_validate_statefulset, validate_update=_validate_statefulset_update,
    columns=(
        NAME,
        Column(
            "Ready",
            lambda obj, _: f"{dig(obj, 'status', 'readyReplicas', default=0)}/{dig(obj, 'spec', 'replicas', default=0)}",
        ),
        AGE,
        Column("Containers", template_cell("name"), priority=1),
        Column("Images", template_cell("image"), priority=1),
    ),
)  # fmt: skip


# DaemonSet -------------------------------------------------------------------------------------------
def _default_daemonset(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    default_template(spec)


def _validate_daemonset(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = validate_workload(obj, "daemonset")
    strategy = spec["updateStrategy"]
    if strategy["type"] not in _STRATEGIES:
        causes.append(unsupported("spec.updateStrategy", strategy["type"], _STRATEGIES))
    elif strategy["type"] == "RollingUpdate":
        zero = [strategy["rollingUpdate"].get(field) in (0, "0%") for field in ("maxUnavailable", "maxSurge")]
        at = "spec.updateStrategy.rollingUpdate"
        if all(zero):
            causes.append(required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
        elif not any(zero):
            why = "may not be set when maxUnavailable is non-zero"
            causes.append(wrong(f"{at}.maxSurge", strategy["rollingUpdate"]["maxSurge"], why))
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        causes += check_non_negative(f"spec.{field}", spec.get(field))
    return causes


def _daemonset_status(obj: Obj) -> None:
    fields = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
    obj["status"] = dict.fromkeys(fields, 0)


DAEMONSETS = Resource(
    "apps", "v1", "DaemonSet", "daemonsets", "daemonset",
    short_names=("ds",), categories=("all",), subresources=("status",), has_generation=True,
    default=_default_daemonset, reset_status=_daemonset_status,
    validate=_validate_daemonset, validate_update=validate_selector_update,
    columns=(
        NAME,
        Column("Desired", number_cell("status", "desiredNumberScheduled"), type="integer"),
        Column("Current", number_cell("status", "currentNumberScheduled"), type="integer"),
        Column("Ready", number_cell("status", "numberReady"), type="integer"),
        Column("Up-to-date", number_cell("status", "updatedNumberScheduled"), type="integer"),
        Column("Available", number_cell("status", "numberAvailable"), type="integer"),
        Column("Node Selector", lambda obj, _: labels_text(dig(obj, "spec", "template", "spec", "nodeSelector"))),
        AGE,
        Column("Containers", template_cell("name"), priority=1),
        Column("Images", template_cell("image"), priority=1),
        Column("Selector", selector_cell, priority=1),
    ),
)  # fmt: skip


# ControllerRevision ----------------------------------------------------------------------------------
def _validate_revision(obj: Obj) -> list[Cause]:
    causes = check_non_negative("revision", obj.get("revision"))
    return causes if obj.get("data") is not None else [*causes, required("data", "data is mandatory")]


def _controller_cell(obj: Obj, _: float) -> str:
    """`statefulset.apps/web`."""
    owner = controller_of(obj)
    if owner is None:
        return NONE
    group = owner["apiVersion"].partition("/")[0] if "/" in owner["apiVersion"] else ""
    return f"{owner['kind'].lower()}{'.' if group else ''}{group}/{owner['name']}"


CONTROLLERREVISIONS = Resource(
    "apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision",
    validate=_validate_revision, validate_update=lambda new, old: immutable("data", new, old, "data"),
    columns=(
        NAME,
        Column("Controller", _controller_cell),
        Column("Revision", lambda obj, _: int(obj.get("revision") or 0), type="integer"),
        AGE,
    ),
)  # fmt: skip
