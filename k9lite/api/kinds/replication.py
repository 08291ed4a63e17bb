"""The core group, v1: ReplicationController, the ReplicaSet of old. Source: pkg/apis/core/{v1/defaults.go,validation}."""

from __future__ import annotations

from k9lite.api import podspec
from k9lite.api.errors import Cause
from k9lite.api.kinds.apps import REPLICASETS, default_template
from k9lite.api.objects import Obj, dig, labels_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.api.validation import check_labels, check_non_negative, required, wrong


def _default(obj: Obj) -> None:
    """Labels and selector are the template's where none are given."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec)
    labels = labels_of(spec.get("template") or {})
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not labels_of(obj):
            obj["metadata"]["labels"] = dict(labels)


def _validate(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = check_non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += check_non_negative("spec.replicas", spec.get("replicas"))
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        causes.append(required("spec.selector"))
    if not isinstance(template, dict):
        return [*causes, required("spec.template")]
    labels = dig(template, "metadata", "labels", default={})
    causes += check_labels("spec.template.labels", labels)
    if selector and not LabelSelector.from_map(selector).matches(labels):
        causes.append(wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes + podspec.validate_pod_spec(template.get("spec"), "spec.template.spec", always=True)


REPLICATIONCONTROLLERS = Resource(
    "", "v1", "ReplicationController", "replicationcontrollers", "replicationcontroller",
    short_names=("rc",), categories=("all",), subresources=("status", "scale"), has_generation=True,
    orphans_by_default=True, default=_default, reset_status=REPLICASETS.reset_status, validate=_validate,
    selectable_fields=REPLICASETS.selectable_fields, columns=REPLICASETS.columns,
)  # fmt: skip
