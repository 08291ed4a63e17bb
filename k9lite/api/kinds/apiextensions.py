"""The apiextensions.k8s.io group, v1: CustomResourceDefinition.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

from typing import Any

from k9lite.api.custom import jsonpath
from k9lite.api.custom.wellformed import check_schema
from k9lite.api.errors import Cause
from k9lite.api.kinds.core import NAME
from k9lite.api.objects import Obj, annotations_of, dig, name_of
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import (
    check_name,
    duplicate,
    immutable,
    not_allowed,
    required,
    unsupported,
    wrong,
)

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a definition until its objects are gone."""
_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_APPROVAL = "api-approved.kubernetes.io"


def _default(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    names, kind = spec.setdefault("names", {}), str(dig(spec, "names", "kind", default=""))
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {}).setdefault("strategy", "None")
    for version in spec.get("versions") or []:
        version.setdefault("served", False)
        version.setdefault("storage", False)


def _new_status(obj: Obj) -> None:
    """The registry adds the conditions, which depend on other definitions."""
    obj["status"] = {}
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if CLEANUP not in finalizers:
        finalizers.append(CLEANUP)


def _validate(obj: Obj) -> list[Cause]:
    spec: Obj = obj.get("spec") or {}
    group, names = str(spec.get("group") or ""), spec.get("names") or {}
    causes = _group(group) + _names(names)
    wanted = f"{names.get('plural', '')}.{group}"
    if name_of(obj) != wanted:
        causes.append(wrong("metadata.name", name_of(obj), 'must be spec.names.plural+"."+spec.group'))
    if not spec.get("scope"):
        causes.append(required("spec.scope"))
    elif spec["scope"] not in _SCOPES:
        causes.append(unsupported("spec.scope", spec["scope"], _SCOPES))
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        causes.append(wrong("spec.preserveUnknownFields", True, why))
    return causes + _approval(obj, group) + _versions(spec) + _conversion(spec)


def _group(group: str) -> list[Cause]:
    if not group:
        return [required("spec.group")]
    if "." not in group:
        return [wrong("spec.group", group, "should be a domain with at least one dot")]
    return check_name("spec.group", group, "subdomain")


def _names(names: Obj) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("plural", "singular", "kind", "listKind"):
        value, at = str(names.get(field) or ""), f"spec.names.{field}"
        causes += check_name(at, value.lower(), "dns1035") if value else [required(at)]
    for index, short in enumerate(names.get("shortNames") or []):
        causes += check_name(f"spec.names.shortNames[{index}]", short, "dns1035")
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        causes.append(wrong("spec.names.listKind", names["listKind"], "kind and listKind may not be the same"))
    return causes


def _approval(obj: Obj, group: str) -> list[Cause]:
    """Groups of the Kubernetes project are for reviewed definitions."""
    is_protected = group.endswith((".k8s.io", ".kubernetes.io")) or group in ("k8s.io", "kubernetes.io")
    approval = annotations_of(obj).get(_APPROVAL, "")
    if not is_protected or approval.startswith(("https://", "http://", "unapproved")):
        return []
    at = f"metadata.annotations[{_APPROVAL}]"
    if approval:
        return [wrong(at, approval, "protected groups must have approval annotation with either a URL or a reason "
                      'starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111')]  # fmt: skip
    why = "protected groups must have approval annotation"
    return [required(at, f'{why} "{_APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111')]


def _versions(spec: Obj) -> list[Cause]:
    versions: list[Obj] = spec.get("versions") or []
    if not versions:
        return [required("spec.versions", "must have at least one version")]
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        at, name = f"spec.versions[{index}]", str(version.get("name") or "")
        causes += check_name(f"{at}.name", name, "dns1035") if name else [required(f"{at}.name")]
        if name in seen:
            causes.append(duplicate(f"{at}.name", name))
        seen.add(name)
        causes += _version(version, at)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.append(wrong("spec.versions", [version.get("name") for version in versions],
                            "must have exactly one version marked as storage version"))  # fmt: skip
    return causes


def _version(version: Obj, at: str) -> list[Cause]:
    schema = dig(version, "schema", "openAPIV3Schema")
    where = f"{at}.schema.openAPIV3Schema"
    causes = check_schema(schema, where) if schema else [required(where, "schemas are required")]
    for index, column in enumerate(version.get("additionalPrinterColumns") or []):
        causes += _column(column, f"{at}.additionalPrinterColumns[{index}]")
    scale = dig(version, "subresources", "scale")
    if scale is not None:
        causes += _scale(scale, f"{at}.subresources.scale")
    for index, field in enumerate(version.get("selectableFields") or []):
        causes += _path(field.get("jsonPath"), f"{at}.selectableFields[{index}].jsonPath")
    return causes


def _column(column: Obj, at: str) -> list[Cause]:
    causes = [] if column.get("name") else [required(f"{at}.name")]
    kind = column.get("type")
    if not kind:
        causes.append(required(f"{at}.type", "must be one of boolean, date, integer, number, string"))
    elif kind not in _COLUMN_TYPES:
        causes.append(unsupported(f"{at}.type", kind, _COLUMN_TYPES))
    return causes + _path(column.get("jsonPath"), f"{at}.jsonPath")


def _path(path: Any, at: str) -> list[Cause]:
    if not path:
        return [required(at)]
    if not str(path).startswith("."):
        return [wrong(at, path, "must be a simple json path starting with .")]
    try:
        jsonpath.compiled(str(path))
    except ValueError as error:
        return [wrong(at, path, f"is an invalid JSONPath: {error}")]
    return []


def _scale(scale: Obj, at: str) -> list[Cause]:
    causes: list[Cause] = []
    for field, under, must in (("specReplicasPath", ".spec.", True), ("statusReplicasPath", ".status.", True),
                               ("labelSelectorPath", (".spec.", ".status."), False)):  # fmt: skip
        path = scale.get(field)
        if not path:
            causes += [required(f"{at}.{field}")] if must else []
        elif "[" in path:
            causes.append(wrong(f"{at}.{field}", path, "must be a simple json path with . notation"))
        elif not path.startswith(under):
            where = under if isinstance(under, str) else " or ".join(under)
            causes.append(wrong(f"{at}.{field}", path, f"should be a json path under {where.rstrip('.')}"))
    return causes


def _conversion(spec: Obj) -> list[Cause]:
    """There is no webhook to call; a single version never needs one."""
    strategy = dig(spec, "conversion", "strategy", default="None")
    if strategy == "None" or (strategy == "Webhook" and len(spec.get("versions") or []) == 1):
        return []
    if strategy == "Webhook":
        why = "conversion webhooks are not called by k9lite: a definition with several versions needs strategy None"
        return [not_allowed("spec.conversion.strategy", why)]
    return [unsupported("spec.conversion.strategy", strategy, ("None",))]


def _validate_update(new: Obj, old: Obj) -> list[Cause]:
    causes = []
    for path in (("group",), ("scope",), ("names", "kind"), ("names", "plural")):
        causes += immutable(".".join(("spec", *path)), new, old, "spec", *path)
    kept = {version.get("name") for version in dig(new, "spec", "versions", default=[])}
    stored = dig(old, "status", "storedVersions", default=[])
    causes += [
        wrong(f"status.storedVersions[{index}]", name, "must appear in spec.versions")
        for index, name in enumerate(stored)
        if name not in kept
    ]
    return causes


CUSTOMRESOURCEDEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition",
    namespaced=False, short_names=("crd", "crds"), categories=("api-extensions",), subresources=("status",),
    default=_default, reset_status=_new_status, validate=_validate, validate_update=_validate_update,
    has_generation=True,
    columns=(NAME, Column("Created At", lambda obj, _: str(obj["metadata"].get("creationTimestamp", "")), type="date")),
)  # fmt: skip
