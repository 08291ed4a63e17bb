"""The core group, v1: ConfigMap, Secret, ServiceAccount. Source: k8s.io/kubernetes/pkg/apis/core/validation."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, annotations_of
from k9lite.api.resources import Column, Resource
from k9lite.api.selectors import field_reader
from k9lite.api.validation import immutable, not_allowed, required, wrong

MAX_BYTES = 1024 * 1024
"""The most that a ConfigMap or Secret may hold."""
_KEY = re.compile("[-._a-zA-Z0-9]+")
_KEY_WORDS = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def _check_keys(field: str, data: Mapping[str, Any]) -> list[Cause]:
    causes: list[Cause] = []
    for key in data:
        at = f"{field}[{key}]"
        if len(key) > 253:
            causes.append(wrong(at, key, "must be no more than 253 characters"))
        if not _KEY.fullmatch(key):
            causes.append(wrong(at, key, _KEY_WORDS))
        if key == ".":
            causes.append(wrong(at, key, "must not be '.'"))
        elif key.startswith(".."):
            causes.append(wrong(at, key, "must not be '..'" if key == ".." else "must not start with '..'"))
    return causes


def _check_base64(field: str, data: Mapping[str, str]) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in data.items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            causes.append(wrong(f"{field}[{key}]", value, "illegal base64 data"))
    return causes


def _too_long(field: str) -> Cause:
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {MAX_BYTES} bytes")


def _decoded_size(data: Mapping[str, str]) -> int:
    return sum(len(value) // 4 * 3 - value.count("=") for value in data.values())


def _immutable_data(new: Obj, old: Obj, *fields: str) -> list[Cause]:
    """What an object with `immutable: true` may not change any more."""
    if not old.get("immutable"):
        return []
    changed = [field for field in fields if (new.get(field) or {}) != (old.get(field) or {})]
    freed = [] if new.get("immutable") else ["immutable"]
    return [not_allowed(field, "field is immutable when `immutable` is set") for field in (*freed, *changed)]


# ConfigMap -------------------------------------------------------------------------------------------
def _validate_config_map(obj: Obj) -> list[Cause]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes = _check_keys("data", data) + _check_keys("binaryData", binary) + _check_base64("binaryData", binary)
    causes += [
        wrong(f"{field}[{key}]", key, f"duplicate of key present in {other}")
        for field, other, keys in (("data", "binaryData", data), ("binaryData", "data", binary))
        for key in keys
        if key in data and key in binary
    ]
    if sum(len(value.encode()) for value in data.values()) + _decoded_size(binary) > MAX_BYTES:
        causes.append(_too_long(""))
    return causes


CONFIGMAPS = Resource(
    "", "v1", "ConfigMap", "configmaps", "configmap",
    short_names=("cm",), validate=_validate_config_map,
    validate_update=lambda new, old: _immutable_data(new, old, "data", "binaryData"),
    columns=(
        NAME,
        Column("Data", lambda obj, _: len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), type="integer"),
        AGE,
    ),
)  # fmt: skip


# Secret ----------------------------------------------------------------------------------------------
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_REQUIRED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _default_secret(obj: Obj) -> None:
    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _validate_secret(obj: Obj) -> list[Cause]:
    data, kind = obj.get("data") or {}, obj["type"]
    causes = _check_keys("data", data) + _check_base64("data", data)
    if _decoded_size(data) > MAX_BYTES:
        causes.append(_too_long("data"))
    causes += [required(f"data[{key}]") for key in _REQUIRED_KEYS.get(kind, ()) if key not in data]
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        causes += [required("data[username]"), required("data[password]")]
    if kind == "kubernetes.io/service-account-token" and not annotations_of(obj).get(_SERVICE_ACCOUNT):
        causes.append(required(f"metadata.annotations[{_SERVICE_ACCOUNT}]"))
    return causes


SECRETS = Resource(
    "", "v1", "Secret", "secrets", "secret",
    default=_default_secret, validate=_validate_secret,
    validate_update=lambda new, old: immutable("type", new, old, "type") + _immutable_data(new, old, "data"),
    selectable_fields={"type": field_reader("type")},
    columns=(
        NAME,
        Column("Type", lambda obj, _: str(obj.get("type", ""))),
        Column("Data", lambda obj, _: len(obj.get("data") or {}), type="integer"),
        AGE,
    ),
)  # fmt: skip


# ServiceAccount --------------------------------------------------------------------------------------
SERVICEACCOUNTS = Resource(
    "", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount",
    short_names=("sa",), subresources=("token",),
    columns=(NAME, Column("Secrets", lambda obj, _: len(obj.get("secrets") or ()), type="integer"), AGE),
)  # fmt: skip
