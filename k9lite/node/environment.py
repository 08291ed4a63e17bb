"""The variables of a container: `envFrom` and `env`, from values, ConfigMaps, Secrets, the pod's fields and resources.

What is read from elsewhere is data, in which `$` means nothing; the engines expand `$(NAME)` in what they are given, so
such a value's dollar signs are doubled here. Source: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING
from typing import Any

from k9lite.api import quantity
from k9lite.api.catalog import CONFIGMAPS, SECRETS
from k9lite.api.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.engines.base import CreateError
from k9lite.node.heartbeat import capacity
from k9lite.node.status import HOST_IP

CONFIG_ERROR = "CreateContainerConfigError"
Read = Callable[[Resource, str, str], Obj | None]
"""(resource, namespace, name) -> the object, None where there is none."""

_SOURCES = {
    "configMapKeyRef": (CONFIGMAPS, "configmap", "ConfigMap"),
    "secretKeyRef": (SECRETS, "secret", "Secret"),
    "configMapRef": (CONFIGMAPS, "configmap", "ConfigMap"),
    "secretRef": (SECRETS, "secret", "Secret"),
}
"""Field -> the resource, and what upstream calls it where it is absent and where it has no such key."""


def environment(pod: Obj, container: Obj, pod_ip: str, read: Read) -> dict[str, str]:
    """References in the values of `env` are not yet expanded. Raises CreateError."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        env |= _all_of(pod, source, read)
    for entry in container.get("env") or ():
        source = entry.get("valueFrom")
        if not source:
            env[entry["name"]] = entry.get("value") or ""
            continue
        value = _value_from(pod, container, source, pod_ip, read)
        if value is not None:
            env[entry["name"]] = _literal(entry["name"], value)
    return env


def _literal(name: str, value: str) -> str:
    if "\0" in value:
        raise CreateError(f"the value of variable {name} has a NUL character: no environment can hold it", CONFIG_ERROR)
    return value.replace("$", "$$")


def _value_from(pod: Obj, container: Obj, source: Obj, pod_ip: str, read: Read) -> str | None:
    """None where an optional key is absent."""
    if "fieldRef" in source:
        return field_value(pod, str(dig(source, "fieldRef", "fieldPath", default="")), pod_ip)
    if "resourceFieldRef" in source:
        return _resource_value(container, source["resourceFieldRef"])
    for field in ("configMapKeyRef", "secretKeyRef"):
        if field in source:
            return _key_of(pod, field, source[field], read)
    kind = next(iter(source), "valueFrom")
    raise CreateError(f"{kind} is nothing that a variable can be read from", CONFIG_ERROR)


def _all_of(pod: Obj, source: Obj, read: Read) -> dict[str, str]:
    """Every key of a ConfigMap or Secret, with the prefix asked for."""
    field = next((field for field in ("configMapRef", "secretRef") if field in source), None)
    if field is None:
        raise CreateError("envFrom names neither a configMapRef nor a secretRef", CONFIG_ERROR)
    data = _data(pod, field, source[field], read)
    prefix = source.get("prefix") or ""
    return {prefix + key: _literal(prefix + key, value()) for key, value in data.items()}


def _key_of(pod: Obj, field: str, reference: Obj, read: Read) -> str | None:
    data, key = _data(pod, field, reference, read), reference.get("key", "")
    if key in data:
        return data[key]()
    if reference.get("optional"):
        return None
    where = f"{_SOURCES[field][2]} {namespace_of(pod)}/{reference.get('name', '')}"
    raise CreateError(f"couldn't find key {key} in {where}", CONFIG_ERROR)


def _data(pod: Obj, field: str, reference: Obj, read: Read) -> Mapping[str, Callable[[], str]]:
    """The keys with what reads each; none of an optional object that is not there."""
    resource, word, _ = _SOURCES[field]
    name = str(reference.get("name", ""))
    found = read(resource, namespace_of(pod), name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise CreateError(f'{word} "{name}" not found', CONFIG_ERROR)
    data: dict[str, Any] = found.get("data") or {}
    if resource is SECRETS:
        return {key: _decoding(name, key, value) for key, value in data.items()}
    return {key: lambda value=value: value for key, value in data.items()}  # type: ignore[misc]


def _decoding(secret: str, key: str, value: str) -> Callable[[], str]:
    def decode() -> str:
        try:
            return base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise CreateError(
                f"key {key} of secret {secret} is no UTF-8 text, as a variable has to be", CONFIG_ERROR
            ) from error

    return decode


def field_value(pod: Obj, path: str, pod_ip: str) -> str:
    """The value of a fieldRef. Raises CreateError with upstream's words."""
    simple: dict[str, Callable[[], str]] = {
        "metadata.name": lambda: name_of(pod),
        "metadata.namespace": lambda: namespace_of(pod),
        "metadata.uid": lambda: uid_of(pod),
        "spec.nodeName": lambda: str(dig(pod, "spec", "nodeName", default="")),
        "spec.serviceAccountName": lambda: str(dig(pod, "spec", "serviceAccountName", default="")),
        "status.podIP": lambda: pod_ip,
        "status.podIPs": lambda: pod_ip,
        "status.hostIP": lambda: HOST_IP,
        "status.hostIPs": lambda: HOST_IP,
    }
    if path in simple:
        return simple[path]()
    for prefix, values in (("metadata.labels", labels_of(pod)), ("metadata.annotations", annotations_of(pod))):
        if path.startswith(prefix + "['") and path.endswith("']"):
            return values.get(path[len(prefix) + 2 : -2], "")
    raise CreateError(f'unsupported fieldPath: "{path}"', CONFIG_ERROR)


def _resource_value(container: Obj, reference: Obj) -> str:
    """In units of the divisor, rounded up; a limit that is not set is what the node has."""
    group, _, name = str(reference.get("resource", "")).partition(".")
    value = dig(container, "resources", group, name)
    if value is None:
        value = capacity().get(name, "0") if group == "limits" else "0"
    divisor = quantity.parse(reference.get("divisor") or "1") or 1
    return str(int((quantity.parse(value) / divisor).to_integral_value(ROUND_CEILING)))
