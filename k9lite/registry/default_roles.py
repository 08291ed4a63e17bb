"""The roles and bindings that every cluster has: cluster-admin, admin, edit, view and what everyone may.

Upstream's set without the roles of components that k9lite has none of. Missing ones are made at each start, and
missing rules are added again unless the annotation rbac.authorization.kubernetes.io/autoupdate says "false". Source:
k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go.
"""

from __future__ import annotations

import asyncio

from k9lite.api.catalog import CLUSTERROLEBINDINGS, CLUSTERROLES
from k9lite.api.objects import Obj, annotations_of, copy_of, name_of
from k9lite.api.rbac import GROUP, Rule, aggregated_rules, not_covered
from k9lite.api.resources import Resource
from k9lite.registry.registry import Registry
from k9lite.registry.users import AUTHENTICATED, MASTERS, UNAUTHENTICATED

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]


def _rule(group: str, resources: str, verbs: list[str]) -> Obj:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs}


def _urls(*urls: str, verbs: tuple[str, ...] = ("get",)) -> Obj:
    return {"nonResourceURLs": list(urls), "verbs": list(verbs)}


_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")

_VIEW = [
    _rule("", "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
          "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status", _READ),
    _rule("", "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
          "resourcequotas resourcequotas/status", _READ),
    _rule("", "namespaces", _READ),
    _rule("discovery.k8s.io", "endpointslices", _READ),
    _rule("events.k8s.io", "events", _READ),
    _rule("apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale "
          "deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale "
          "statefulsets/status", _READ),
    _rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", _READ),
    _rule("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
    _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
    _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
]  # fmt: skip
_EDIT = [
    _rule("", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", _READ),
    _rule("", "serviceaccounts", ["impersonate"]),
    _rule("", "pods pods/attach pods/exec pods/portforward pods/proxy", _WRITE),
    _rule("", "pods/eviction", ["create"]),
    _rule("", "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
          "serviceaccounts services services/proxy", _WRITE),
    _rule("", "serviceaccounts/token", ["create"]),
    _rule("apps", "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
          "statefulsets statefulsets/scale", _WRITE),
    _rule("autoscaling", "horizontalpodautoscalers", _WRITE),
    _rule("batch", "cronjobs jobs", _WRITE),
    _rule("policy", "poddisruptionbudgets", _WRITE),
    _rule("networking.k8s.io", "ingresses networkpolicies", _WRITE),
    _rule("coordination.k8s.io", "leases", [*_WRITE, *_READ]),
]  # fmt: skip
_ADMIN = [
    _rule("authorization.k8s.io", "localsubjectaccessreviews", ["create"]),
    _rule(GROUP, "rolebindings roles", [*_WRITE, *_READ]),
]

_ROLES: dict[str, list[Obj]] = {
    "cluster-admin": [_rule("*", "*", ["*"]), _urls("*", verbs=("*",))],
    "system:aggregate-to-admin": _ADMIN,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:aggregated-metrics-reader": [_rule("metrics.k8s.io", "nodes pods", _READ)],
    "system:basic-user": [
        _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", ["create"]),
        _rule("authentication.k8s.io", "selfsubjectreviews", ["create"]),
    ],
    "system:discovery": [_urls(*_HEALTH, *_DISCOVERY)],
    "system:public-info-viewer": [_urls(*_HEALTH)],
    "system:auth-delegator": [
        _rule("authentication.k8s.io", "tokenreviews", ["create"]),
        _rule("authorization.k8s.io", "subjectaccessreviews", ["create"]),
    ],
    "k9lite:status": [_urls("/k9lite/v1/status")],
}
_LABELS: dict[str, tuple[str, ...]] = {
    "system:aggregate-to-admin": ("admin",),
    "system:aggregate-to-edit": ("edit",),
    "system:aggregate-to-view": ("view",),
    "system:aggregated-metrics-reader": ("admin", "edit", "view"),
    "edit": ("admin",),
    "view": ("edit",),
}
_AGGREGATED = ("view", "edit", "admin")
"""Each holds what those before it hold."""
_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": (MASTERS,),
    "system:basic-user": (AUTHENTICATED,),
    "system:discovery": (AUTHENTICATED,),
    "system:public-info-viewer": (AUTHENTICATED, UNAUTHENTICATED),
    "k9lite:status": (AUTHENTICATED,),
}


def _object(resource: Resource, name: str, **content: object) -> Obj:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    if resource is CLUSTERROLES:
        labels |= {f"{AGGREGATE}{each}": "true" for each in _LABELS.get(name, ())}
    metadata = {"name": name, "labels": labels, "annotations": {AUTOUPDATE: "true"}}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}


def default_roles() -> list[Obj]:
    """The ClusterRoles; aggregated ones with the rules that the controller would give them."""
    made = [_object(CLUSTERROLES, name, rules=rules) for name, rules in _ROLES.items()]
    for name in _AGGREGATED:
        selector = {"matchLabels": {f"{AGGREGATE}{name}": "true"}}
        role = _object(CLUSTERROLES, name, aggregationRule={"clusterRoleSelectors": [selector]})
        made.append({**role, "rules": aggregated_rules(role, made)})
    return made


def default_bindings() -> list[Obj]:
    """The ClusterRoleBindings."""
    return [
        _object(
            CLUSTERROLEBINDINGS,
            name,
            roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            subjects=[{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups],
        )
        for name, groups in _BINDINGS.items()
    ]


async def bootstrap_roles(registry: Registry) -> None:
    """Make what is missing, and give back to roles the rules they lack."""
    await asyncio.gather(
        *(_reconcile(registry, CLUSTERROLES, obj) for obj in default_roles()),
        *(_reconcile(registry, CLUSTERROLEBINDINGS, obj) for obj in default_bindings()),
    )


async def _reconcile(registry: Registry, resource: Resource, wanted: Obj) -> None:
    stored = registry.store.get(resource.key, "", name_of(wanted))
    if stored is None:
        await registry.create(resource, "", copy_of(wanted))
        return
    if resource is not CLUSTERROLES or annotations_of(stored.obj).get(AUTOUPDATE) != "true":
        return
    rules = stored.obj.get("rules") or []
    unseen = [rule for rule in wanted["rules"] if rule not in rules]
    owned = [Rule.of(rule) for rule in rules] if unseen else []
    lacking = [rule for rule in unseen if not_covered(owned, [Rule.of(rule)])]
    if lacking:
        obj = stored.copy()
        obj["rules"] = [*rules, *lacking]
        await registry.update(resource, "", name_of(wanted), obj)
