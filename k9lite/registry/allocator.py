"""Cluster IPs and node ports: each given once, reserved before the write that uses it, freed if that fails."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import Any

from k9lite.api.errors import Cause, invalid
from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.validation import wrong

Taken = tuple[set[str], set[int]]
"""Cluster IPs and node ports."""


class Allocator:
    """What Services hold. Source: k8s.io/kubernetes/pkg/registry/core/service/{ipallocator,portallocator}."""

    def __init__(self, cidr: str, ports: range, port_is_free: Callable[[int], bool]) -> None:
        self._network = ipaddress.ip_network(cidr)
        self._ports = ports
        self._port_is_free = port_is_free
        self._held_addresses: set[str] = set()
        self._held_ports: set[int] = set()
        self._next = random.randrange(1, self._network.num_addresses - 1)

    def hold(self, service: Obj) -> None:
        """Take what a stored Service has."""
        self._held_addresses |= addresses_of(service)
        self._held_ports |= ports_of(service)

    def release(self, addresses: set[str], ports: set[int]) -> None:
        self._held_addresses -= addresses
        self._held_ports -= ports

    def allocate(self, service: Obj, old: Obj | None) -> Taken:
        """Give a new or changed Service what it lacks, in place; returns what was newly taken.

        Raises ApiError 422 when something asked for is out of range or taken.
        """
        spec = service["spec"]
        kept = (addresses_of(old), ports_of(old)) if old is not None else (set(), set())
        taken: Taken = (set(), set())
        causes: list[Cause] = []
        if spec["type"] != "ExternalName":
            self._give_address(spec, kept[0], taken[0], causes)
        if spec["type"] in ("NodePort", "LoadBalancer"):
            for index, port in enumerate(spec.get("ports") or []):
                self._give_port(port, f"spec.ports[{index}].nodePort", kept[1], taken[1], causes)
        if causes:
            self.release(*taken)
            raise invalid("Service", "", name_of(service), causes)
        return taken

    def _give_address(self, spec: Obj, kept: set[str], taken: set[str], causes: list[Cause]) -> None:
        address = spec.get("clusterIP")
        if address == "None":
            spec["clusterIPs"] = ["None"]
            return
        if not address:
            address = self._free_address()
            if address is None:
                causes.append(wrong("spec.clusterIPs", [], "failed to allocate a serviceIP: range is full"))
                return
        elif address not in kept:
            why = self._refusal(address)
            if why:
                causes.append(wrong("spec.clusterIPs", [address], why))
                return
        if address not in kept:
            self._held_addresses.add(address)
            taken.add(address)
        spec["clusterIP"], spec["clusterIPs"] = address, [address]

    def _refusal(self, address: str) -> str | None:
        if ipaddress.ip_address(address) not in self._network:
            return f"failed to allocate IP {address}: the provided IP is not in the valid range {self._network}"
        if address in self._held_addresses:
            return f"failed to allocate IP {address}: provided IP is already allocated"
        return None

    def _free_address(self) -> str | None:
        """The next one, so that an address just freed is not given again at once."""
        size = self._network.num_addresses - 2
        for _ in range(size):
            self._next = self._next % size + 1
            address = str(self._network[self._next])
            if address not in self._held_addresses:
                return address
        return None

    def _give_port(self, port: Obj, field: str, kept: set[int], taken: set[int], causes: list[Cause]) -> None:
        number: Any = port.get("nodePort")
        if not number:
            number = self._free_port()
            if number is None:
                causes.append(wrong(field, 0, "failed to allocate a nodePort: range is full"))
                return
        elif number not in self._ports:
            first, last = self._ports[0], self._ports[-1]
            causes.append(
                wrong(
                    field,
                    number,
                    f"provided port is not in the valid range. The range of valid ports is {first}-{last}",
                )
            )
            return
        elif number not in kept and number in self._held_ports:
            causes.append(wrong(field, number, "provided port is already allocated"))
            return
        if number not in kept:
            self._held_ports.add(number)
            taken.add(number)
        port["nodePort"] = number

    def _free_port(self) -> int | None:
        """A random free one, so that a port just freed is not given again at once."""
        start = random.randrange(len(self._ports))
        for offset in range(len(self._ports)):
            number = self._ports[(start + offset) % len(self._ports)]
            if number not in self._held_ports and self._port_is_free(number):
                return number
        return None


def addresses_of(service: Obj | None) -> set[str]:
    address = dig(service, "spec", "clusterIP")
    return {address} if address and address != "None" else set()


def ports_of(service: Obj | None) -> set[int]:
    return {port["nodePort"] for port in dig(service, "spec", "ports", default=[]) if port.get("nodePort")}
