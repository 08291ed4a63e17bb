"""Volumes: the core group's PersistentVolume and PersistentVolumeClaim, storage.k8s.io's StorageClass.

Source: k8s.io/kubernetes/pkg/apis/{core,storage}/{v1/defaults.go,validation}.
"""

from __future__ import annotations

from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.kinds.quotas import canonical, check_amounts
from k9lite.api.objects import Obj, annotations_of, dig, is_deleting, name_of
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import check_name, check_selector, immutable, not_allowed, required, unsupported, wrong

_UNSET = "<unset>"
_CLASS_OF_OLD = "volume.beta.kubernetes.io/storage-class"
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_ACCESS_MODES = tuple(_SHORT)
_VOLUME_MODES = ("Block", "Filesystem")
_RECLAIM = ("Delete", "Recycle", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")


def _validate_modes(at: str, spec: Obj) -> list[Cause]:
    """Access modes and volume mode, as claims and volumes have them."""
    modes = spec.get("accessModes") or []
    causes = [] if modes else [required(f"{at}.accessModes", "at least 1 access mode is required")]
    causes += [unsupported(f"{at}.accessModes", mode, _ACCESS_MODES) for mode in modes if mode not in _ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        why = "may not use ReadWriteOncePod with other access modes"
        causes.append(not_allowed(f"{at}.accessModes", why))
    if spec.get("volumeMode") not in _VOLUME_MODES:
        causes.append(unsupported(f"{at}.volumeMode", spec.get("volumeMode"), _VOLUME_MODES))
    if spec.get("storageClassName"):
        causes += check_name(f"{at}.storageClassName", str(spec["storageClassName"]), "subdomain")
    return causes


def _positive(at: str, amounts: Obj) -> list[Cause]:
    causes, values = check_amounts(at, amounts)
    return causes + [
        wrong(f"{at}[{name}]", amounts[name], "must be greater than zero") for name, value in values.items() if value <= 0
    ]  # fmt: skip


def _short_modes(modes: list[str] | None) -> str:
    """`RWO,ROX`, each once, in upstream's order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def _class_of(obj: Obj) -> str:
    return str(annotations_of(obj).get(_CLASS_OF_OLD) or dig(obj, "spec", "storageClassName", default=""))


def _phase(obj: Obj, _: float) -> str:
    return "Terminating" if is_deleting(obj) else str(dig(obj, "status", "phase", default=""))


def _spec_cell(field: str, absent: str = "") -> Any:
    return lambda obj, _: str(dig(obj, "spec", field, default=absent))


def _pending(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}


# PersistentVolumeClaim -------------------------------------------------------------------------------
def _default_claim(obj: Obj) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.setdefault("volumeMode", "Filesystem")
        for group in ("requests", "limits"):
            canonical(dig(spec, "resources", group))


def _validate_claim(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = check_selector("spec.selector", spec["selector"]) if spec.get("selector") else []
    causes += _validate_modes("spec", spec)
    requests = dig(spec, "resources", "requests", default={})
    if "storage" not in requests:
        return [*causes, required("spec.resources[storage]")]
    return causes + _positive("spec.resources.requests", {"storage": requests["storage"]})


def _validate_claim_update(new: Obj, old: Obj) -> list[Cause]:
    """A bound claim may ask for more; the binder says once which volume it has, and gives it a class."""
    before, after = dict(old["spec"]), dict(new["spec"])
    if not before.get("volumeName"):
        after.pop("volumeName", None)
        before.pop("volumeName", None)
    if before.get("storageClassName") is None:
        after.pop("storageClassName", None)
    if dig(old, "status", "phase") == "Bound":
        for spec in (before, after):
            spec.pop("volumeAttributesClassName", None)
            spec["resources"] = {**(spec.get("resources") or {}), "requests": None}
    if before == after:
        return _shrinks(new, old)
    why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
    return [not_allowed("spec", why)]


def _shrinks(new: Obj, old: Obj) -> list[Cause]:
    path = ("spec", "resources", "requests")
    _, sizes = check_amounts("", {"new": dig(new, *path, "storage"), "old": dig(old, *path, "storage")})
    if len(sizes) < 2 or sizes["new"] >= sizes["old"]:
        return []
    return [not_allowed("spec.resources.requests.storage", "field can not be less than previous value")]


PERSISTENTVOLUMECLAIMS = Resource(
    "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim",
    short_names=("pvc",), subresources=("status",), default=_default_claim, reset_status=_pending,
    validate=_validate_claim, validate_update=_validate_claim_update,
    columns=(
        NAME,
        Column("Status", _phase),
        Column("Volume", _spec_cell("volumeName")),
        Column(
            "Capacity",
            lambda obj, _: dig(obj, "status", "capacity", "storage", default="0") if dig(obj, "spec", "volumeName") else "",
        ),
        Column(
            "Access Modes",
            lambda obj, _: _short_modes(dig(obj, "status", "accessModes")) if dig(obj, "spec", "volumeName") else "",
        ),
        Column("StorageClass", lambda obj, _: _class_of(obj)),
        Column("VolumeAttributesClass", _spec_cell("volumeAttributesClassName", _UNSET)),
        AGE,
        Column("VolumeMode", _spec_cell("volumeMode", _UNSET), priority=1),
    ),
)  # fmt: skip


# PersistentVolume ------------------------------------------------------------------------------------
_PLAIN = frozenset((
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
))  # fmt: skip
"""The fields of a PersistentVolumeSpec that do not say what the volume is."""


def _sources(spec: Obj) -> list[str]:
    from k9lite.api.types import fields_of  # reads package data, which commands that only print need not

    return [field for field in fields_of("PersistentVolumeSpec") if field not in _PLAIN and spec.get(field) is not None]


def _default_volume(obj: Obj) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", "Filesystem")
        canonical(spec.get("capacity"))
        if isinstance(spec.get("hostPath"), dict):
            spec["hostPath"].setdefault("type", "")


def _validate_volume(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = _validate_modes("spec", spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        causes.append(required("spec.capacity"))
    elif list(capacity) != ["storage"]:
        causes.append(unsupported("spec.capacity", capacity, ("storage",)))
    causes += _positive("spec.capacity", capacity)
    sources = _sources(spec)
    if not sources:
        causes.append(required("spec", "must specify a volume type"))
    causes += [not_allowed(f"spec.{field}", "may not specify more than 1 volume type") for field in sources[1:]]
    if spec["persistentVolumeReclaimPolicy"] not in _RECLAIM:
        policy = spec["persistentVolumeReclaimPolicy"]
        causes.append(unsupported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM))
    return causes


def _validate_volume_update(new: Obj, old: Obj) -> list[Cause]:
    causes = immutable("spec.volumeMode", new, old, "spec", "volumeMode")
    if any(
        new["spec"].get(field) != old["spec"].get(field) for field in {*_sources(new["spec"]), *_sources(old["spec"])}
    ):
        field = "spec.persistentvolumesource"
        causes.append(not_allowed(field, f"{field} is immutable after creation"))
    return causes


def _claim(obj: Obj, _: float) -> str:
    claim = dig(obj, "spec", "claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


PERSISTENTVOLUMES = Resource(
    "", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume",
    namespaced=False, short_names=("pv",), subresources=("status",), default=_default_volume, reset_status=_pending,
    validate=_validate_volume, validate_update=_validate_volume_update,
    columns=(
        NAME,
        Column("Capacity", lambda obj, _: dig(obj, "spec", "capacity", "storage", default="0")),
        Column("Access Modes", lambda obj, _: _short_modes(dig(obj, "spec", "accessModes"))),
        Column("Reclaim Policy", _spec_cell("persistentVolumeReclaimPolicy")),
        Column("Status", _phase),
        Column("Claim", _claim),
        Column("StorageClass", lambda obj, _: _class_of(obj)),
        Column("VolumeAttributesClass", _spec_cell("volumeAttributesClassName", _UNSET)),
        Column("Reason", lambda obj, _: str(dig(obj, "status", "reason", default=""))),
        AGE,
        Column("VolumeMode", _spec_cell("volumeMode", _UNSET), priority=1),
    ),
)  # fmt: skip


# StorageClass ----------------------------------------------------------------------------------------
_IS_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _default_class(obj: Obj) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _validate_class(obj: Obj) -> list[Cause]:
    causes = [] if obj.get("provisioner") else [required("provisioner")]
    if obj["reclaimPolicy"] not in ("Delete", "Retain"):
        causes.append(unsupported("reclaimPolicy", obj["reclaimPolicy"], ("Delete", "Retain")))
    if obj["volumeBindingMode"] not in _BINDING:
        causes.append(unsupported("volumeBindingMode", obj["volumeBindingMode"], _BINDING))
    return causes


def _validate_class_update(new: Obj, old: Obj) -> list[Cause]:
    causes = [
        not_allowed(field, f"updates to {field} are forbidden.")
        for field in ("parameters", "provisioner", "reclaimPolicy")
        if (new.get(field) or None) != (old.get(field) or None)
    ]
    return causes + immutable("volumeBindingMode", new, old, "volumeBindingMode")


def _class_name(obj: Obj, _: float) -> str:
    is_default = any(annotations_of(obj).get(key) == "true" for key in _IS_DEFAULT)
    return name_of(obj) + (" (default)" if is_default else "")


STORAGECLASSES = Resource(
    "storage.k8s.io", "v1", "StorageClass", "storageclasses", "storageclass",
    namespaced=False, short_names=("sc",), default=_default_class,
    validate=_validate_class, validate_update=_validate_class_update,
    columns=(
        Column("Name", _class_name, format="name"),
        Column("Provisioner", lambda obj, _: str(obj.get("provisioner", ""))),
        Column("ReclaimPolicy", lambda obj, _: str(obj.get("reclaimPolicy", ""))),
        Column("VolumeBindingMode", lambda obj, _: str(obj.get("volumeBindingMode", _UNSET))),
        Column("AllowVolumeExpansion", lambda obj, _: str(bool(obj.get("allowVolumeExpansion"))).lower()),
        AGE,
    ),
)  # fmt: skip
