"""The networking.k8s.io group, v1: Ingress, IngressClass. Source: pkg/apis/networking/validation/validation.go."""

from __future__ import annotations

import re
from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.printing import NONE
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import (
    check_name,
    check_port,
    check_port_name,
    immutable,
    required,
    unsupported,
    wrong,
)

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|.*:.*")
_BAD_PARTS, _BAD_ENDS = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")


# Ingress ---------------------------------------------------------------------------------------------
def _validate_ingress(obj: Obj) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes: list[Cause] = []
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        causes.append(wrong("spec", spec, "either `defaultBackend` or `rules` must be specified"))
    if spec.get("defaultBackend") is not None:
        causes += _validate_backend("spec.defaultBackend", spec["defaultBackend"])
    for index, rule in enumerate(spec.get("rules") or []):
        at = f"spec.rules[{index}]"
        if rule.get("host"):
            causes += _validate_host(f"{at}.host", rule["host"])
        if rule.get("http") is not None:
            causes += _validate_paths(f"{at}.http.paths", rule["http"].get("paths") or [])
    if spec.get("ingressClassName"):
        causes += check_name("spec.ingressClassName", spec["ingressClassName"], "subdomain")
    return causes


def _validate_host(at: str, host: str) -> list[Cause]:
    if _ADDRESS.fullmatch(host):
        return [wrong(at, host, "must be a DNS name, not an IP address")]
    return check_name(at, host.removeprefix("*."), "subdomain")


def _validate_paths(at: str, paths: list[Obj]) -> list[Cause]:
    causes = [] if paths else [required(at)]
    for index, path in enumerate(paths):
        here, kind, text = f"{at}[{index}]", path.get("pathType"), path.get("path") or ""
        if kind is None:
            causes.append(required(f"{here}.pathType", "pathType must be specified"))
        elif kind not in _PATH_TYPES:
            causes.append(unsupported(f"{here}.pathType", kind, _PATH_TYPES))
        elif kind != "ImplementationSpecific" or text:
            causes += _validate_path(f"{here}.path", text, strict=kind != "ImplementationSpecific")
        causes += _validate_backend(f"{here}.backend", path.get("backend") or {})
    return causes


def _validate_path(at: str, path: str, *, strict: bool) -> list[Cause]:
    if not path.startswith("/"):
        return [wrong(at, path, "must be an absolute path")]
    if not strict:
        return []
    causes = [wrong(at, path, f"must not contain '{part}'") for part in _BAD_PARTS if part in path]
    return causes + [wrong(at, path, f"cannot end with '{end}'") for end in _BAD_ENDS if path.endswith(end)]


def _validate_backend(at: str, backend: Obj) -> list[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [wrong(at, "", "cannot set both resource and service backends")]
    if resource is not None:
        return [required(f"{at}.resource.{key}") for key in ("kind", "name") if not resource.get(key)]
    if service is None:
        return [required(at, "resource or service backend is required")]
    name, port = service.get("name"), service.get("port") or {}
    causes = check_name(f"{at}.service.name", name, "dns1035") if name else [required(f"{at}.service.name")]
    if port.get("name") and port.get("number"):
        return [*causes, wrong(at, "", "cannot set both port name & port number")]
    if port.get("name"):
        return causes + check_port_name(f"{at}.service.port.name", port["name"])
    if port.get("number"):
        return causes + check_port(f"{at}.service.port.number", port["number"])
    return [*causes, required(at, "port name or number is required")]


def _hosts(obj: Obj, _: float) -> str:
    hosts = [rule["host"] for rule in dig(obj, "spec", "rules", default=[]) if rule.get("host")]
    more = f" + {len(hosts) - 3} more..." if len(hosts) > 3 else ""
    return (",".join(hosts[:3]) + more) or "*"


def _address(obj: Obj, _: float) -> str:
    points = dig(obj, "status", "loadBalancer", "ingress", default=[])
    return ",".join(dict.fromkeys(str(point.get("ip") or point.get("hostname") or "") for point in points))


def _ingress_status(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}


INGRESSES = Resource(
    "networking.k8s.io", "v1", "Ingress", "ingresses", "ingress",
    short_names=("ing",), subresources=("status",), has_generation=True, reset_status=_ingress_status,
    validate=_validate_ingress,
    columns=(
        NAME,
        Column("Class", lambda obj, _: str(dig(obj, "spec", "ingressClassName", default=NONE))),
        Column("Hosts", _hosts),
        Column("Address", _address),
        Column("Ports", lambda obj, _: "80, 443" if dig(obj, "spec", "tls") else "80"),
        AGE,
    ),
)  # fmt: skip


# IngressClass ----------------------------------------------------------------------------------------
_CONTROLLER = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
)


def _validate_class(obj: Obj) -> list[Cause]:
    controller = dig(obj, "spec", "controller", default="")
    if len(controller) > 250:
        return [Cause("spec.controller", "FieldValueTooLong", "Too long: may not be more than 250 bytes")]
    if not controller:
        return [required("spec.controller")]
    if not _CONTROLLER.fullmatch(controller):
        why = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [wrong("spec.controller", controller, why)]
    return []


def _parameters(obj: Obj, _: float) -> Any:
    parameters = dig(obj, "spec", "parameters")
    if not parameters:
        return NONE
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


INGRESSCLASSES = Resource(
    "networking.k8s.io", "v1", "IngressClass", "ingressclasses", "ingressclass",
    namespaced=False, has_generation=True, validate=_validate_class,
    validate_update=lambda new, old: immutable("spec.controller", new, old, "spec", "controller"),
    columns=(
        NAME,
        Column("Controller", lambda obj, _: str(dig(obj, "spec", "controller", default=""))),
        Column("Parameters", _parameters),
        AGE,
    ),
)  # fmt: skip
