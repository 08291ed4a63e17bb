"""Which ports and addresses a Service's pods serve it on. Pure; endpoints and endpointslices are made of it.

Source: k8s.io/kubernetes/pkg/api/v1/pod and staging/src/k8s.io/endpointslice/utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k9lite.api.objects import Obj, dig, is_deleting, name_of, namespace_of, uid_of
from k9lite.controllers.pods import is_ready


@dataclass(frozen=True, slots=True)
class TargetPort:
    """One port as endpoints say it: the pod's own number, the Service port's name and protocol."""

    name: str
    port: int
    protocol: str
    app_protocol: str = ""

    def to_obj(self) -> Obj:
        made: Obj = {"name": self.name, "port": self.port, "protocol": self.protocol}
        if self.app_protocol:
            made["appProtocol"] = self.app_protocol
        return made


def _container_port(pod: Obj, name: str, protocol: str) -> int | None:
    """The number of a named port of one of the pod's containers."""
    for container in dig(pod, "spec", "containers", default=[]):
        for port in container.get("ports") or []:
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def target_ports(service: Obj, pod: Obj) -> tuple[TargetPort, ...]:
    """The pod's ports behind the Service's; a named one that the pod does not have is left out."""
    found = []
    for port in dig(service, "spec", "ports", default=[]):
        protocol = port.get("protocol", "TCP")
        target = port.get("targetPort") or port.get("port")
        number = _container_port(pod, target, protocol) if isinstance(target, str) else int(target)
        if number is not None:
            found.append(TargetPort(port.get("name") or "", number, protocol, port.get("appProtocol") or ""))
    return tuple(found)


def takes_part(pod: Obj) -> bool:
    """Whether the pod has an address and has not ended."""
    return bool(dig(pod, "status", "podIP")) and dig(pod, "status", "phase") not in ("Succeeded", "Failed")


def target_reference(pod: Obj) -> Obj:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def endpoint_of(service: Obj, pod: Obj) -> Obj:
    """The pod in an EndpointSlice: ready only while nothing ends it, serving while it still answers."""
    serving, ending = is_ready(pod), is_deleting(pod)
    always = bool(dig(service, "spec", "publishNotReadyAddresses"))
    return {
        "addresses": [dig(pod, "status", "podIP")],
        "conditions": {"ready": always or (serving and not ending), "serving": serving, "terminating": ending},
        "nodeName": dig(pod, "spec", "nodeName", default=""),
        "targetRef": target_reference(pod),
    }


def subsets_of(service: Obj, pods: Iterable[Obj]) -> list[Obj]:
    """The subsets of an Endpoints object: pods with the same ports together, ending ones left out."""
    always = bool(dig(service, "spec", "publishNotReadyAddresses"))
    groups: dict[tuple[TargetPort, ...], Obj] = {}
    for pod in pods:
        if not takes_part(pod) or (is_deleting(pod) and not always):
            continue
        ports = target_ports(service, pod)
        field = "addresses" if always or is_ready(pod) else "notReadyAddresses"
        address = {
            "ip": dig(pod, "status", "podIP"),
            "nodeName": dig(pod, "spec", "nodeName", default=""),
            "targetRef": target_reference(pod),
        }
        groups.setdefault(ports, {}).setdefault(field, []).append(address)
    made = []
    for ports in sorted(groups, key=repr):
        subset = groups[ports]
        for addresses in subset.values():
            addresses.sort(key=lambda each: (each["ip"], each["targetRef"]["name"]))
        if ports:
            subset["ports"] = [
                {key: value for key, value in port.to_obj().items() if value or key != "name"} for port in ports
            ]
        made.append(subset)
    return made
