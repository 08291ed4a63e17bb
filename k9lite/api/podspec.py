"""PodSpec: defaults and validation. Source: k8s.io/kubernetes/pkg/apis/core/{v1/defaults.go,validation}."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from k9lite.api import quantity
from k9lite.api.errors import Cause
from k9lite.api.objects import Obj
from k9lite.api.validation import (
    check_name,
    check_non_negative,
    check_port,
    check_port_name,
    duplicate,
    required,
    unsupported,
    wrong,
)

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_ENV_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_ENV_FORM = re.compile(r"[ -<>-~]+")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")


def default_pod_spec(spec: Obj) -> None:
    """Fill what upstream fills, in place."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            _default_container(container)


def _default_container(container: Obj) -> None:
    if "imagePullPolicy" not in container:
        _, tag = split_image(str(container.get("image", "")))
        container["imagePullPolicy"] = "Always" if tag == "latest" else "IfNotPresent"
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    for group in ("limits", "requests"):
        if resources.get(group):
            resources[group] = {name: _canonical(value) for name, value in resources[group].items()}
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _default_probe(container[probe])


@lru_cache(maxsize=1024)
def _canonical(value: Any) -> Any:
    """A quantity as upstream stores it; what is none stays, for validation to name."""
    try:
        return quantity.canonical(value)
    except ValueError:
        return value


def _default_probe(probe: Obj) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe.setdefault(field, value)
    if isinstance(probe.get("httpGet"), dict):
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def split_image(image: str) -> tuple[str, str]:
    """Repository and tag; the tag is `latest` where none is given, empty where a digest says which."""
    if "@" in image:
        return image.partition("@")[0], ""
    repository, colon, tag = image.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (image, "latest")


def validate_pod_spec(spec: Any, field: str, *, always: bool = False) -> list[Cause]:
    """Errors of a PodSpec at `field`; `always`: a template that has to restart its containers."""
    if spec is None:
        return [required(field)]
    causes: list[Cause] = []
    containers = spec.get("containers")
    if not containers:
        causes.append(required(f"{field}.containers"))
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or []):
            causes += _validate_container(container, f"{field}.{group}[{index}]", seen)
    policy = spec.get("restartPolicy")
    if always and policy != "Always":
        causes.append(unsupported(f"{field}.restartPolicy", policy, ("Always",)))
    elif policy not in _RESTART_POLICIES:
        causes.append(unsupported(f"{field}.restartPolicy", policy, _RESTART_POLICIES))
    causes += check_non_negative(f"{field}.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"))
    if spec.get("runtimeClassName") not in (None, "docker", "process"):
        causes.append(unsupported(f"{field}.runtimeClassName", spec["runtimeClassName"], ("docker", "process")))
    return causes


def _validate_container(container: Any, field: str, seen: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    name, image = container.get("name"), container.get("image")
    if not name:
        causes.append(required(f"{field}.name"))
    else:
        causes += check_name(f"{field}.name", str(name), "label")
        if name in seen:
            causes.append(duplicate(f"{field}.name", name))
        seen.add(str(name))
    if not image:
        causes.append(required(f"{field}.image"))
    elif image != image.strip():
        causes.append(wrong(f"{field}.image", image, "must not have leading or trailing whitespace"))
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        causes.append(unsupported(f"{field}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES))
    causes += _validate_ports(container.get("ports"), f"{field}.ports")
    causes += _validate_env(container.get("env"), f"{field}.env")
    causes += _validate_resources(container.get("resources"), f"{field}.resources")
    return causes


def _validate_ports(ports: Any, field: str) -> list[Cause]:
    if ports is None:
        return []
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{field}[{index}]"
        if port.get("name"):
            causes += check_port_name(f"{at}.name", str(port["name"]))
            if port["name"] in names:
                causes.append(duplicate(f"{at}.name", port["name"]))
            names.add(port["name"])
        causes += check_port(f"{at}.containerPort", port.get("containerPort"))
        if port.get("hostPort"):
            causes += check_port(f"{at}.hostPort", port["hostPort"])
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            causes.append(unsupported(f"{at}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP")))
    return causes


def _validate_env(env: Any, field: str) -> list[Cause]:
    if env is None:
        return []
    causes: list[Cause] = []
    for index, entry in enumerate(env):
        name = entry.get("name")
        if not name:
            causes.append(required(f"{field}[{index}].name"))
        elif not _ENV_FORM.fullmatch(name):
            causes.append(wrong(f"{field}[{index}].name", name, _ENV_NAME))
        if entry.get("value") and entry.get("valueFrom"):
            causes.append(wrong(f"{field}[{index}].valueFrom", "", "may not be specified when `value` is not empty"))
    return causes


def _validate_resources(resources: Any, field: str) -> list[Cause]:
    if not resources:
        return []
    causes: list[Cause] = []
    values: dict[tuple[str, str], Any] = {}
    for group in ("limits", "requests"):
        for name, value in (resources.get(group) or {}).items():
            at = f"{field}.{group}[{name}]"
            try:
                values[group, name] = quantity.parse(value)
                if values[group, name] < 0:
                    causes.append(wrong(at, str(value), "must be greater than or equal to 0"))
            except ValueError as error:
                causes.append(wrong(at, value, str(error)))
    for (group, name), value in values.items():
        limit = values.get(("limits", name))
        if group == "requests" and limit is not None and value > limit:
            shown = str(resources["requests"][name])
            causes.append(
                wrong(
                    f"{field}.requests",
                    shown,
                    f"must be less than or equal to {name} limit of {resources['limits'][name]}",
                )
            )
    return causes


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort. Source: pkg/apis/core/v1/helper/qos."""
    guaranteed, some = True, False
    for container in spec.get("containers") or []:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        some = some or bool(limits or requests)
        for name in ("cpu", "memory"):
            if name not in limits or requests.get(name, limits[name]) != limits[name]:
                guaranteed = False
    return "Guaranteed" if guaranteed and some else "Burstable" if some else "BestEffort"
