"""All served resources, and the ways to find one.

A kind's module is imported when somebody asks for the kind: the app and most commands look at a few of them, and start
the sooner for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from k9lite.api.resources import Resource

if TYPE_CHECKING:
    from k9lite.api.kinds.all import RESOURCES, SERVED, STORED, VIRTUAL
    from k9lite.api.kinds.apiextensions import CUSTOMRESOURCEDEFINITIONS
    from k9lite.api.kinds.apps import DEPLOYMENTS, REPLICASETS
    from k9lite.api.kinds.autoscaling import HPAS
    from k9lite.api.kinds.batch import CRONJOBS, JOBS
    from k9lite.api.kinds.config import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
    from k9lite.api.kinds.coordination import LEASES
    from k9lite.api.kinds.core import ENDPOINTS, EVENTS, NAMESPACES, NODES, PODS
    from k9lite.api.kinds.discovery import ENDPOINTSLICES
    from k9lite.api.kinds.metrics import NODEMETRICS, PODMETRICS
    from k9lite.api.kinds.networking import INGRESSCLASSES, INGRESSES
    from k9lite.api.kinds.policy import PODDISRUPTIONBUDGETS
    from k9lite.api.kinds.quotas import LIMITRANGES, RESOURCEQUOTAS
    from k9lite.api.kinds.rbac import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
    from k9lite.api.kinds.replication import REPLICATIONCONTROLLERS
    from k9lite.api.kinds.scheduling import PRIORITYCLASSES
    from k9lite.api.kinds.service import SERVICES
    from k9lite.api.kinds.stateful import CONTROLLERREVISIONS, DAEMONSETS, STATEFULSETS
    from k9lite.api.kinds.storage import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES

__all__ = [
    "CLUSTERROLEBINDINGS", "CLUSTERROLES", "CONFIGMAPS", "CONTROLLERREVISIONS", "CRONJOBS",
    "CUSTOMRESOURCEDEFINITIONS", "DAEMONSETS", "DEPLOYMENTS", "ENDPOINTS", "ENDPOINTSLICES", "EVENTS", "HPAS",
    "INGRESSCLASSES", "INGRESSES", "JOBS", "LEASES", "LIMITRANGES", "NAMESPACES", "NODEMETRICS", "NODES",
    "PERSISTENTVOLUMECLAIMS", "PERSISTENTVOLUMES", "PODDISRUPTIONBUDGETS", "PODMETRICS", "PODS", "PRIORITYCLASSES",
    "REPLICASETS", "REPLICATIONCONTROLLERS", "RESOURCEQUOTAS", "RESOURCES", "ROLEBINDINGS", "ROLES", "SECRETS",
    "SERVED", "SERVICEACCOUNTS", "SERVICES", "STATEFULSETS", "STORAGECLASSES", "STORED", "VIRTUAL", "by_key",
    "by_kind", "by_path", "resolve",
]  # fmt: skip

_MODULES = {
    "all": ("RESOURCES", "SERVED", "STORED", "VIRTUAL"),
    "apiextensions": ("CUSTOMRESOURCEDEFINITIONS",),
    "apps": (
        "DEPLOYMENTS",
        "REPLICASETS",
    ),
    "autoscaling": ("HPAS",),
    "batch": (
        "CRONJOBS",
        "JOBS",
    ),
    "config": (
        "CONFIGMAPS",
        "SECRETS",
        "SERVICEACCOUNTS",
    ),
    "coordination": ("LEASES",),
    "core": (
        "ENDPOINTS",
        "EVENTS",
        "NAMESPACES",
        "NODES",
        "PODS",
    ),
    "discovery": ("ENDPOINTSLICES",),
    "metrics": (
        "NODEMETRICS",
        "PODMETRICS",
    ),
    "networking": (
        "INGRESSCLASSES",
        "INGRESSES",
    ),
    "policy": ("PODDISRUPTIONBUDGETS",),
    "quotas": (
        "LIMITRANGES",
        "RESOURCEQUOTAS",
    ),
    "rbac": (
        "CLUSTERROLEBINDINGS",
        "CLUSTERROLES",
        "ROLEBINDINGS",
        "ROLES",
    ),
    "replication": ("REPLICATIONCONTROLLERS",),
    "scheduling": ("PRIORITYCLASSES",),
    "service": ("SERVICES",),
    "stateful": (
        "CONTROLLERREVISIONS",
        "DAEMONSETS",
        "STATEFULSETS",
    ),
    "storage": (
        "PERSISTENTVOLUMECLAIMS",
        "PERSISTENTVOLUMES",
        "STORAGECLASSES",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"k9lite.api.kinds.{module}"), name)
    return value


def by_key(key: str) -> Resource:
    """Raises KeyError."""
    from k9lite.api.kinds.all import BY_KEY

    return BY_KEY[key]


def by_kind(api_version: str, kind: str) -> Resource | None:
    from k9lite.api.kinds.all import BY_KIND

    return BY_KIND.get((api_version, kind))


def by_path(group: str, version: str, plural: str) -> Resource | None:
    from k9lite.api.kinds.all import BY_PATH

    return BY_PATH.get((group, version, plural))


def resolve(word: str) -> Resource | None:
    """By plural, singular, short name or Kind, in any case, optionally followed by `.group`."""
    from k9lite.api.kinds.all import BY_WORD

    return BY_WORD.get(word.lower())
