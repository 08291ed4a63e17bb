"""The core group, v1: Service."""

from __future__ import annotations

import ipaddress
from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.printing import external_ip, labels_text, ports_cell, text_or
from k9lite.api.resources import Column, Resource
from k9lite.api.selectors import field_reader
from k9lite.api.validation import (
    check_labels,
    check_name,
    check_port,
    check_port_name,
    duplicate,
    not_allowed,
    required,
    unsupported,
    wrong,
)

SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def _default_service(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    for port in spec.get("ports") or []:
        if isinstance(port, dict):
            port.setdefault("protocol", "TCP")
            if not port.get("targetPort"):
                port["targetPort"] = port.get("port")
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _carry_over_service(new: Obj, old: Obj) -> None:
    """An update that leaves out the cluster IP or a node port keeps the old one."""
    spec, before = new.get("spec"), old["spec"]
    if not isinstance(spec, dict):
        return
    kind = spec.get("type") or "ClusterIP"
    if kind != before.get("type"):
        _drop_what_the_type_gave(spec, before, kind)
    if kind != "ExternalName" and not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
    if kind not in ("NodePort", "LoadBalancer"):
        return
    given = {(port.get("port"), port.get("protocol")): port.get("nodePort") for port in before.get("ports") or []}
    for port in spec.get("ports") or []:
        number = given.get((port.get("port"), port.get("protocol") or "TCP"))
        if number and not port.get("nodePort"):
            port["nodePort"] = number


def _drop_what_the_type_gave(spec: Obj, before: Obj, kind: str) -> None:
    """Changing the type need not name what only the old one has, if the client left that as it was.

    Source: k8s.io/kubernetes/pkg/registry/core/service/strategy.go, dropTypeDependentFields.
    """
    gone: list[str] = []
    if kind == "ExternalName":
        gone += ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
    if kind not in ("NodePort", "LoadBalancer"):
        gone.append("externalTrafficPolicy")
        old_ports = {port.get("nodePort") for port in before.get("ports") or []}
        for port in spec.get("ports") or []:
            if port.get("nodePort") in old_ports:
                port.pop("nodePort", None)
    if kind != "LoadBalancer":
        gone += ["allocateLoadBalancerNodePorts", "loadBalancerClass"]
    for field in gone:
        if field in spec and spec[field] == before.get(field):
            del spec[field]


def _service_status(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}


def _validate_service(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes: list[Cause] = []
    if spec.get("type") not in SERVICE_TYPES:
        causes.append(unsupported("spec.type", spec.get("type"), SERVICE_TYPES))
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        causes.append(required("spec.externalName"))
    if spec.get("type") == "ExternalName" and (spec.get("clusterIP") or spec.get("clusterIPs")):
        held = spec.get("clusterIPs") or [spec["clusterIP"]]
        causes.append(wrong("spec.clusterIPs", held, "may not be set for ExternalName services"))
    if spec.get("sessionAffinity") not in ("None", "ClientIP"):
        causes.append(unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None")))
    address = spec.get("clusterIP")
    if address and address != "None":
        try:
            ipaddress.ip_address(address)
        except ValueError:
            causes.append(
                wrong("spec.clusterIPs[0]", address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
            )
    causes += check_labels("spec.selector", spec.get("selector"))
    return causes + _validate_service_ports(spec)


def _validate_service_ports(spec: Obj) -> list[Cause]:
    ports = spec.get("ports") or []
    causes: list[Cause] = []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(required("spec.ports"))
    names: set[str] = set()
    pairs: set[tuple[Any, Any]] = set()
    node_ports: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name = str(port.get("name") or "")
        if not name and len(ports) > 1:
            causes.append(required(f"{at}.name"))
        if name in names and name:
            causes.append(duplicate(f"{at}.name", name))
        names.add(name)
        causes += check_name(f"{at}.name", name, "label") if name else []
        causes += check_port(f"{at}.port", port.get("port"))
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            causes.append(unsupported(f"{at}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP")))
        target = port.get("targetPort")
        if isinstance(target, str):
            causes += check_port_name(f"{at}.targetPort", target)
        elif target is not None:
            causes += check_port(f"{at}.targetPort", target)
        if port.get("nodePort") and spec.get("type") not in ("NodePort", "LoadBalancer"):
            causes.append(not_allowed(f"{at}.nodePort", f"may not be used when `type` is '{spec.get('type')}'"))
        pair = (port.get("port"), port.get("protocol"))
        if pair in pairs:
            causes.append(duplicate(at, {"port": pair[0], "protocol": pair[1]}))
        pairs.add(pair)
        node_pair = (port.get("nodePort"), port.get("protocol"))
        if port.get("nodePort") and node_pair in node_ports:
            causes.append(duplicate(f"{at}.nodePort", port["nodePort"]))
        node_ports.add(node_pair)
    return causes


def _validate_service_update(new: Obj, old: Obj) -> list[Cause]:
    before, after = dig(old, "spec", "clusterIP"), dig(new, "spec", "clusterIP")
    if before and dig(new, "spec", "type") != "ExternalName" and after != before:
        return [wrong("spec.clusterIPs[0]", after or "", "may not change once set")]
    return []


SERVICES = Resource(
    "", "v1", "Service", "services", "service",
    short_names=("svc",), categories=("all",), subresources=("status",), name_rule="dns1035",
    default=_default_service, carry_over=_carry_over_service, reset_status=_service_status,
    validate=_validate_service, validate_update=_validate_service_update,
    selectable_fields={path: field_reader(path) for path in ("spec.clusterIP", "spec.type")},
    columns=(
        NAME,
        Column("Type", lambda obj, _: dig(obj, "spec", "type", default="")),
        Column("Cluster-IP", lambda obj, _: text_or(dig(obj, "spec", "clusterIP"))),
        Column("External-IP", lambda obj, _: external_ip(obj)),
        Column("Port(s)", lambda obj, _: ports_cell(obj)),
        AGE,
        Column("Selector", lambda obj, _: labels_text(dig(obj, "spec", "selector")), priority=1),
    ),
)  # fmt: skip
