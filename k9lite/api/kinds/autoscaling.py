"""The autoscaling group: HorizontalPodAutoscaler v2, stored so, and v1, another look at the same objects.

v1 knows one metric, CPU utilization; it carries what else there is in annotations, as upstream does. Source:
k8s.io/kubernetes/pkg/apis/autoscaling/{v1/conversion.go,v2/defaults.go,validation}.
"""

from __future__ import annotations

from typing import Any

import orjson

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig, meta
from k9lite.api.printing import NONE, UNKNOWN
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import required, unsupported, wrong

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_DEFAULT_CPU = 80
_SOURCES = {
    "ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
    "Resource": "resource",
}  # fmt: skip
"""Type of a metric -> the field that describes it."""


def _cpu_metric(percent: int) -> Obj:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _is_cpu(metric: Obj) -> bool:
    resource = metric.get("resource") or {}
    target = resource.get("target") or resource.get("current") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and "averageUtilization" in target


def _default(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        spec["metrics"] = [_cpu_metric(_DEFAULT_CPU)]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        percent, pods = ({"type": kind, "value": value, "periodSeconds": 15} for kind, value in
                         (("Percent", 100), ("Pods", 4)))  # fmt: skip
        up, down = behavior.setdefault("scaleUp", {}), behavior.setdefault("scaleDown", {})
        up.setdefault("stabilizationWindowSeconds", 0)
        for rules, policies in ((up, [pods, percent]), (down, [percent])):
            rules.setdefault("selectPolicy", "Max")
            rules.setdefault("policies", policies)


def _status(obj: Obj) -> None:
    obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0, "currentMetrics": None}


def _validate(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes: list[Cause] = []
    least, most = spec.get("minReplicas") or 0, spec.get("maxReplicas") or 0
    if least < 1:
        causes.append(wrong("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        causes.append(wrong("spec.maxReplicas", most, "must be greater than 0"))
    if most < least:
        causes.append(wrong("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    causes += [required(f"spec.scaleTargetRef.{field}") for field in ("kind", "name") if not target.get(field)]
    for index, metric in enumerate(spec["metrics"]):
        causes += _validate_metric(f"spec.metrics[{index}]", metric)
    return causes


def _validate_metric(field: str, metric: Obj) -> list[Cause]:
    kind = metric.get("type")
    if not kind:
        return [required(f"{field}.type", "must specify a metric source type")]
    if kind not in _SOURCES:
        return [unsupported(f"{field}.type", kind, tuple(_SOURCES))]
    source = metric.get(_SOURCES[kind])
    if not isinstance(source, dict):
        why = f"must populate information for the given metric source type, as {_SOURCES[kind]}"
        return [required(f"{field}.{_SOURCES[kind]}", why)]
    target = source.get("target") or {}
    values = [target[key] for key in ("value", "averageValue", "averageUtilization") if target.get(key) is not None]
    if target.get("type") not in ("AverageValue", "Utilization", "Value"):
        why = "must be either Utilization, Value, or AverageValue"
        return [wrong(f"{field}.{_SOURCES[kind]}.target.type", target.get("type") or "", why)]
    if not values:
        why = "must set either a target raw value or a target utilization"
        return [required(f"{field}.{_SOURCES[kind]}.target", why)]
    return []


# Cells -----------------------------------------------------------------------------------------------
def _reference(obj: Obj, _: float) -> str:
    target = dig(obj, "spec", "scaleTargetRef", default={})
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _targets(obj: Obj, _: float) -> str:
    """`cpu: 12%/80%, memory: <unknown>/50Mi`."""
    metrics, current = dig(obj, "spec", "metrics", default=[]), dig(obj, "status", "currentMetrics", default=[])
    shown = [_target(metric, current[index] if index < len(current) else {}) for index, metric in enumerate(metrics)]
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return (", ".join(shown[:2]) + more) or NONE


def _target(metric: Obj, current: Obj) -> str:
    field = _SOURCES.get(str(metric.get("type")), "")
    source = metric.get(field) or {}
    target, now = source.get("target") or {}, dig(current, field, "current", default={})
    name = source.get("name") or dig(source, "metric", "name", default="")
    prefix = f"{name}: " if field in ("resource", "containerResource") else ""
    for key, unit in (("averageUtilization", "%"), ("averageValue", ""), ("value", "")):
        if target.get(key) is not None:
            per = " (avg)" if key == "averageValue" and not prefix else ""
            return f"{prefix}{_amount(now.get(key), unit)}/{target[key]}{unit}{per}"
    return f"{prefix}{UNKNOWN}/<auto>"


def _amount(value: Any, unit: str) -> str:
    return UNKNOWN if value is None else f"{value}{unit}"


# v1 --------------------------------------------------------------------------------------------------
def _to_v2(obj: Obj) -> None:
    spec, annotations = obj.get("spec"), meta(obj).get("annotations") or {}
    if not isinstance(spec, dict):
        return
    metrics = [metric for metric in _json(annotations.pop(_METRICS, "[]"), list) if isinstance(metric, dict)]
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        metrics.insert(0, _cpu_metric(percent))
    if metrics:
        spec["metrics"] = metrics
    if behavior := _json(annotations.pop(_BEHAVIOR, "{}"), dict):
        spec["behavior"] = behavior
    status = obj.get("status")
    if isinstance(status, dict):
        current = _json(annotations.pop(_CURRENT, "[]"), list)
        now = status.pop("currentCPUUtilizationPercentage", None)
        if now is not None:
            cpu = {"name": "cpu", "current": {"averageUtilization": now}}
            current.insert(0, {"type": "Resource", "resource": cpu})
        status["currentMetrics"] = current or None
        if conditions := _json(annotations.pop(_CONDITIONS, "[]"), list):
            status["conditions"] = conditions


def _json(text: str, kind: type) -> Any:
    """The value of an annotation; what somebody broke counts as empty, as upstream."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, kind) else kind()


def _to_v1(obj: Obj) -> None:
    spec, status, extra = obj.get("spec") or {}, obj.get("status") or {}, {}
    metrics = spec.pop("metrics", None) or []
    cpu = next((metric for metric in metrics if _is_cpu(metric)), None)
    if cpu:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    extra[_METRICS] = [metric for metric in metrics if metric is not cpu]
    extra[_BEHAVIOR] = spec.pop("behavior", None)
    current = status.pop("currentMetrics", None) or []
    now = next((metric for metric in current if _is_cpu(metric)), None)
    if now:
        status["currentCPUUtilizationPercentage"] = now["resource"]["current"]["averageUtilization"]
    extra[_CURRENT] = [metric for metric in current if metric is not now]
    extra[_CONDITIONS] = status.pop("conditions", None)
    for key, value in extra.items():
        if value:
            meta(obj).setdefault("annotations", {})[key] = orjson.dumps(value).decode()


HPAS = Resource(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler",
    short_names=("hpa",), categories=("all",), subresources=("status",),
    default=_default, reset_status=_status, validate=_validate,
    columns=(
        NAME,
        Column("Reference", _reference),
        Column("Targets", _targets),
        Column("MinPods", lambda obj, _: str(dig(obj, "spec", "minReplicas", default="<unset>"))),
        Column("MaxPods", lambda obj, _: int(dig(obj, "spec", "maxReplicas", default=0)), type="integer"),
        Column("Replicas", lambda obj, _: int(dig(obj, "status", "currentReplicas", default=0)), type="integer"),
        AGE,
    ),
)  # fmt: skip

HPAS_V1 = Resource(
    "autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler",
    short_names=("hpa",), categories=("all",), subresources=("status",), columns=HPAS.columns,
    storage=HPAS, to_storage=_to_v2, from_storage=_to_v1,
)  # fmt: skip
