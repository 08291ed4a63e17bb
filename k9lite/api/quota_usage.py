"""What objects use of a ResourceQuota, and which quotas count them. Pure.

Source: k8s.io/kubernetes/pkg/quota/v1/evaluator/core and k8s.io/apiserver/pkg/quota/v1.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from k9lite.api import podspec, quantity
from k9lite.api.catalog import PERSISTENTVOLUMECLAIMS, PODS, SERVICES
from k9lite.api.objects import Obj, dig
from k9lite.api.resources import Resource

Usage = dict[str, Decimal]
"""Name in spec.hard -> amount."""

ONE = Decimal(1)
_COUNTED = ("configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services")
"""Kinds that a quota counts by their plain name too."""
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def usage_of(resource: Resource, obj: Obj) -> Usage:
    """All that the object uses, by every name that a quota may give to it."""
    used = {f"count/{resource.key}": ONE}
    if resource.key in _COUNTED:
        used[resource.key] = ONE
    if resource is PODS:
        if dig(obj, "status", "phase") not in ("Succeeded", "Failed"):
            used["pods"] = ONE
            used |= _of_pod(obj["spec"])
    elif resource is SERVICES:
        used |= _of_service(obj["spec"])
    elif resource is PERSISTENTVOLUMECLAIMS:
        used |= _of_claim(obj["spec"])
    return used


def _of_pod(spec: Obj) -> Usage:
    used: Usage = {}
    for field in ("requests", "limits"):
        for name, amount in _sum(spec, field).items():
            used[f"{field}.{name}"] = amount
            if field == "requests" and name in _COMPUTE:
                used[name] = amount
    return used


def _sum(spec: Obj, field: str) -> Usage:
    """Containers run together, init containers one after the other."""
    total: Usage = {}
    for container in spec.get("containers") or ():
        for name, amount in _amounts(container, field).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or ():
        for name, amount in _amounts(container, field).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _amounts(container: Obj, field: str) -> Usage:
    return {name: quantity.parse(amount) for name, amount in dig(container, "resources", field, default={}).items()}


def _of_service(spec: Obj) -> Usage:
    kind, ports = spec.get("type"), Decimal(len(spec.get("ports") or ()))
    if kind == "NodePort":
        return {"services.nodeports": ports}
    if kind == "LoadBalancer":
        has_ports = spec.get("allocateLoadBalancerNodePorts", True)
        return {"services.loadbalancers": ONE, "services.nodeports": ports if has_ports else Decimal(0)}
    return {}


def _of_claim(spec: Obj) -> Usage:
    storage = quantity.parse(dig(spec, "resources", "requests", "storage", default="0"))
    used = {"requests.storage": storage}
    if storage_class := spec.get("storageClassName"):
        prefix = f"{storage_class}.storageclass.storage.k8s.io/"
        used |= {f"{prefix}requests.storage": storage, f"{prefix}persistentvolumeclaims": ONE}
    return used


def counts(quota: Obj, resource: Resource, obj: Obj) -> bool:
    """Whether the quota's scopes take in the object: those with scopes count pods alone."""
    wanted: list[tuple[str, str, list[str]]] = [
        (scope, "Exists", []) for scope in dig(quota, "spec", "scopes", default=[])
    ]
    wanted += [
        (item.get("scopeName"), item.get("operator"), item.get("values") or [])
        for item in dig(quota, "spec", "scopeSelector", "matchExpressions", default=[])
    ]
    if not wanted:
        return True
    return resource is PODS and all(_in_scope(obj["spec"], *item) for item in wanted)


def _in_scope(spec: Obj, scope: str, operator: str, values: list[str]) -> bool:
    if scope in ("Terminating", "NotTerminating"):
        return (spec.get("activeDeadlineSeconds") is not None) == (scope == "Terminating")
    if scope in ("BestEffort", "NotBestEffort"):
        return (podspec.qos_class(spec) == "BestEffort") == (scope == "BestEffort")
    if scope == "PriorityClass":
        name = spec.get("priorityClassName") or ""
        found = {"Exists": bool(name), "DoesNotExist": not name, "In": name in values, "NotIn": name not in values}
        return found.get(operator, False)
    return False


def unspecified(quota: Obj, pod: Obj) -> list[str]:
    """`limits.cpu for: a,b`: what the quota limits and containers do not say."""
    missing: list[str] = []
    for name in sorted(dig(quota, "spec", "hard", default={})):
        field, _, plain = name.rpartition(".")
        if plain not in _COMPUTE[:2] or field not in ("", "requests", "limits"):
            continue
        without = [
            str(container.get("name"))
            for container in dig(pod, "spec", "containers", default=[])
            if plain not in dig(container, "resources", field or "requests", default={})
        ]
        if without:
            missing.append(f"{name} for: {','.join(without)}")
    return missing


def total(usages: Iterable[Usage]) -> Usage:
    added: Usage = {}
    for usage in usages:
        for name, amount in usage.items():
            added[name] = added.get(name, Decimal(0)) + amount
    return added


def shown(name: str, amount: Decimal) -> str:
    """As status.used and messages write it: memory and storage in binary units where they are whole."""
    if any(word in name for word in ("memory", "storage")) and amount and amount % 1024 == 0:
        return quantity.canonical(f"{int(amount) // 1024}Ki")
    return quantity.canonical(f"{amount:f}")
