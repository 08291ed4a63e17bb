"""Admission of LimitRanges: what a container leaves out is filled in, what is too little or too much is refused.

Source: k8s.io/kubernetes/plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from k9lite.api import podspec, quantity
from k9lite.api.catalog import LIMITRANGES, PERSISTENTVOLUMECLAIMS, PODS
from k9lite.api.errors import forbidden
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.store.store import Store

ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger:
    """Called by the registry before a write; looks at new pods and claims alone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, resource: Resource, new: Obj, old: Obj | None) -> None:
        """Changes a new pod in place. Raises ApiError 403 where a limit is not kept."""
        if old is not None or resource not in (PODS, PERSISTENTVOLUMECLAIMS):
            return
        items = [
            item
            for stored in self._store.list(LIMITRANGES.key, namespace_of(new))
            for item in dig(stored.obj, "spec", "limits", default=[])
        ]
        if not items:
            return
        if resource is PODS:
            _fill(new, items)
        broken = [text for item in items for text in _broken(resource, new, item)]
        if broken:
            text = broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]"
            raise forbidden(resource.key, name_of(new), text)


def _containers(pod: Obj) -> Iterator[tuple[str, Obj]]:
    for kind, field in (("container", "containers"), ("init container", "initContainers")):
        for container in dig(pod, "spec", field, default=[]):
            yield kind, container


def _fill(pod: Obj, items: list[Obj]) -> None:
    """Default limits and requests, told in an annotation as upstream tells them."""
    told: list[str] = []
    for kind, container in _containers(pod):
        for field, source, word in (("requests", "defaultRequest", "request"), ("limits", "default", "limit")):
            defaults = {name: amount for item in items if item.get("type") == "Container"
                        for name, amount in (item.get(source) or {}).items()}  # fmt: skip
            amounts = container.setdefault("resources", {}).get(field) or {}
            missing = {name: amount for name, amount in defaults.items() if name not in amounts}
            if missing:
                container["resources"][field] = {**amounts, **missing}
                told.append(f"{', '.join(sorted(missing))} {word} for {kind} {container.get('name')}")
    if told:
        pod["metadata"].setdefault("annotations", {})[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"
        pod["status"]["qosClass"] = podspec.qos_class(pod["spec"])


def _broken(resource: Resource, obj: Obj, item: Obj) -> Iterable[str]:
    """What an object breaks of one item of a LimitRange."""
    kind = item.get("type")
    if resource is PERSISTENTVOLUMECLAIMS:
        return _out_of_bounds(item, _amounts(obj["spec"]), claims=True) if kind == "PersistentVolumeClaim" else []
    if kind == "Container":
        return [text for _, each in _containers(obj) for text in _out_of_bounds(item, _amounts(each))]
    return _out_of_bounds(item, _sum_of(obj)) if kind == "Pod" else []


Amounts = dict[str, dict[str, str]]


def _amounts(holder: Obj) -> Amounts:
    return {field: dig(holder, "resources", field, default={}) for field in ("requests", "limits")}


def _sum_of(pod: Obj) -> Amounts:
    """Of all containers that run together, or the largest init container where that is more."""
    total: Amounts = {"requests": {}, "limits": {}}
    for field, sums in total.items():
        for _, container in sorted(_containers(pod), key=lambda each: each[0]):
            starts = container in dig(pod, "spec", "initContainers", default=[])
            for name, amount in dig(container, "resources", field, default={}).items():
                before, value = quantity.parse(sums.get(name, "0")), quantity.parse(amount)
                sums[name] = quantity.canonical(str(max(before, value) if starts else before + value))
    return total


def _out_of_bounds(item: Obj, amounts: Amounts, *, claims: bool = False) -> Iterator[str]:
    kind, requests, limits = item.get("type"), amounts["requests"], amounts["limits"]
    for name, least in (item.get("min") or {}).items():
        start = f"minimum {name} usage per {kind} is {least}"
        if name not in requests:
            yield f"{start}.  No request is specified"
        elif quantity.parse(requests[name]) < quantity.parse(least):
            yield f"{start}, but request is {requests[name]}"
        elif name in limits and quantity.parse(limits[name]) < quantity.parse(least):
            yield f"{start}, but limit is {limits[name]}"
    for name, most in (item.get("max") or {}).items():
        start = f"maximum {name} usage per {kind} is {most}"
        held = requests if claims else limits
        if name not in held:
            yield f"{start}.  No {'request' if claims else 'limit'} is specified"
        elif quantity.parse(held[name]) > quantity.parse(most):
            yield f"{start}, but {'request' if claims else 'limit'} is {held[name]}"
    for name, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        if name in limits and quantity.parse(requests.get(name, "0")) > 0:
            found = quantity.parse(limits[name]) / quantity.parse(requests[name])
            if found > quantity.parse(ratio):
                shown = found.quantize(Decimal("0.000001"))
                yield f"{name} max limit to request ratio per {kind} is {ratio}, but provided ratio is {shown}"
