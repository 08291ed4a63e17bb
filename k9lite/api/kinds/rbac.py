"""The rbac.authorization.k8s.io group, v1: Role, ClusterRole, RoleBinding, ClusterRoleBinding.

Source: k8s.io/kubernetes/pkg/apis/rbac/validation/validation.go.
"""

from __future__ import annotations

from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.rbac import GROUP
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import check_name, check_selector, required, unsupported, wrong

_SUBJECT_KINDS = ("Group", "ServiceAccount", "User")


# Roles -----------------------------------------------------------------------------------------------
def _check_rules(obj: Obj, *, namespaced: bool) -> list[Cause]:
    return [
        cause
        for index, rule in enumerate(obj.get("rules") or [])
        for cause in _check_rule(f"rules[{index}]", rule, namespaced=namespaced)
    ]


def _check_rule(field: str, rule: Obj, *, namespaced: bool) -> list[Cause]:
    causes = [] if rule.get("verbs") else [required(f"{field}.verbs", "verbs must contain at least one value")]
    urls = rule.get("nonResourceURLs")
    if urls:
        at = f"{field}.nonResourceURLs"
        if namespaced:
            causes.append(wrong(at, urls, "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            causes.append(wrong(at, urls, "rules cannot apply to both regular resources and non-resource URLs"))
        return causes
    if not rule.get("apiGroups"):
        causes.append(required(f"{field}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        causes.append(required(f"{field}.resources", "resource rules must supply at least one resource"))
    return causes


def _validate_role(obj: Obj) -> list[Cause]:
    return _check_rules(obj, namespaced=True)


def _validate_cluster_role(obj: Obj) -> list[Cause]:
    causes = _check_rules(obj, namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        selectors = aggregation.get("clusterRoleSelectors") or []
        at = "aggregationRule.clusterRoleSelectors"
        if not selectors:
            causes.append(required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
        for index, selector in enumerate(selectors):
            causes += check_selector(f"{at}[{index}]", selector)
    return causes


def _created_at(obj: Obj, _: float) -> str:
    return str(dig(obj, "metadata", "creationTimestamp", default=""))


_ROLE_COLUMNS = (NAME, Column("Created At", _created_at, type="date"))

ROLES = Resource(
    GROUP, "v1", "Role", "roles", "role",
    name_rule="path", validate=_validate_role, columns=_ROLE_COLUMNS,
)  # fmt: skip
CLUSTERROLES = Resource(
    GROUP, "v1", "ClusterRole", "clusterroles", "clusterrole",
    namespaced=False, name_rule="path", validate=_validate_cluster_role, columns=_ROLE_COLUMNS,
)  # fmt: skip


# Bindings --------------------------------------------------------------------------------------------
def _default_binding(obj: Obj) -> None:
    if isinstance(reference := obj.get("roleRef"), dict) and not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP
    for subject in obj.get("subjects") or []:
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _check_reference(obj: Obj, kinds: tuple[str, ...]) -> list[Cause]:
    reference = obj.get("roleRef") or {}
    causes = []
    if reference.get("apiGroup") != GROUP:
        causes.append(unsupported("roleRef.apiGroup", reference.get("apiGroup") or "", (GROUP,)))
    if reference.get("kind") not in kinds:
        causes.append(unsupported("roleRef.kind", reference.get("kind") or "", kinds))
    name = reference.get("name") or ""
    return causes + (check_name("roleRef.name", name, "path") if name else [required("roleRef.name")])


def _check_subject(field: str, subject: Obj) -> list[Cause]:
    causes = [] if subject.get("name") else [required(f"{field}.name")]
    kind, group = subject.get("kind"), subject.get("apiGroup") or ""
    if kind == "ServiceAccount":
        if subject.get("name"):
            causes += check_name(f"{field}.name", subject["name"], "subdomain")
        if group:
            causes.append(unsupported(f"{field}.apiGroup", group, ("",)))
        if not subject.get("namespace"):
            causes.append(required(f"{field}.namespace"))
    elif kind in _SUBJECT_KINDS:
        if group != GROUP:
            causes.append(unsupported(f"{field}.apiGroup", group, (GROUP,)))
    else:
        causes.append(unsupported(f"{field}.kind", kind or "", _SUBJECT_KINDS))
    return causes


def _check_subjects(obj: Obj) -> list[Cause]:
    return [
        cause
        for index, subject in enumerate(obj.get("subjects") or [])
        for cause in _check_subject(f"subjects[{index}]", subject)
    ]


def _validate_binding(obj: Obj) -> list[Cause]:
    return _check_reference(obj, ("ClusterRole", "Role")) + _check_subjects(obj)


def _validate_cluster_binding(obj: Obj) -> list[Cause]:
    return _check_reference(obj, ("ClusterRole",)) + _check_subjects(obj)


def _same_role(new: Obj, old: Obj) -> list[Cause]:
    """A binding is for one role for ever: who may change its subjects may not give them another role."""
    reference = new.get("roleRef") or {}
    if reference == old.get("roleRef"):
        return []
    group, kind, name = (reference.get(key) or "" for key in ("apiGroup", "kind", "name"))
    shown = f'rbac.RoleRef{{APIGroup:"{group}", Kind:"{kind}", Name:"{name}"}}'
    return [Cause("roleRef", "FieldValueInvalid", f"Invalid value: {shown}: cannot change roleRef")]


def _role_cell(obj: Obj, _: float) -> str:
    return f"{dig(obj, 'roleRef', 'kind', default='')}/{dig(obj, 'roleRef', 'name', default='')}"


def _subjects_cell(kind: str) -> Any:
    def cell(obj: Obj, _: float) -> str:
        found = [subject for subject in obj.get("subjects") or [] if subject.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{subject.get('namespace', '')}/{subject.get('name', '')}" for subject in found)
        return ", ".join(str(subject.get("name", "")) for subject in found)

    return cell


_BINDING_COLUMNS = (
    NAME,
    Column("Role", _role_cell),
    AGE,
    Column("Users", _subjects_cell("User"), priority=1),
    Column("Groups", _subjects_cell("Group"), priority=1),
    Column("ServiceAccounts", _subjects_cell("ServiceAccount"), priority=1),
)

ROLEBINDINGS = Resource(
    GROUP, "v1", "RoleBinding", "rolebindings", "rolebinding",
    name_rule="path", default=_default_binding, validate=_validate_binding, validate_update=_same_role,
    columns=_BINDING_COLUMNS,
)  # fmt: skip
CLUSTERROLEBINDINGS = Resource(
    GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding",
    namespaced=False, name_rule="path", default=_default_binding, validate=_validate_cluster_binding,
    validate_update=_same_role, columns=_BINDING_COLUMNS,
)  # fmt: skip
