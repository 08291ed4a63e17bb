"""The Node object: registered at the start, kept alive by a heartbeat, NotReady while the engine is away.

Each beat renews the node's Lease too, as kubelets do; both writes share one commit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform

from k9lite import __version__
from k9lite.api.catalog import LEASES, NODES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, set_condition, uid_of
from k9lite.clock import Clock, rfc3339, rfc3339_micro
from k9lite.node.status import HOST_IP
from k9lite.registry.registry import Registry

log = logging.getLogger("k9lite.node")

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
HEARTBEAT_SECONDS = 10.0
"""As the kubelet's lease; a node is taken for lost after four of them."""
MAX_PODS = 1000
"""Upstream's 110 is a limit of its networks, not of one machine."""


def capacity() -> dict[str, str]:
    """CPUs, memory and pods of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki", "pods": str(MAX_PODS)}


def _machine_id() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            with open(path, encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            continue
    return ""


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return f"{platform.system()} {platform.release()}"


class Heartbeat:
    """Writes one Node object."""

    def __init__(self, registry: Registry, clock: Clock, node_name: str) -> None:
        self._registry = registry
        self._clock = clock
        self._name = node_name
        self._problem = "the container engine has not answered yet"
        self._runtime = ""
        self._machine = {"machineID": _machine_id(), "systemUUID": _machine_id(), "bootID": _boot_id()}
        self._changed = asyncio.Event()

    def set_runtime(self, problem: str, runtime: str) -> None:
        """`problem` is empty while the default engine answers; `runtime` is its name and version."""
        if (problem, runtime) != (self._problem, self._runtime):
            self._problem, self._runtime = problem, runtime or self._runtime
            self._changed.set()

    async def register(self) -> None:
        """Make the Node object unless it is there; either way it is up to date afterwards. Raises ApiError."""
        labels = {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": platform.system().lower(),
            "kubernetes.io/arch": _architecture(),
            "node-role.kubernetes.io/control-plane": "",
        }
        if self._registry.store.get(NODES.key, "", self._name) is None:
            node: Obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._name, "labels": labels}}
            await self._registry.create(NODES, "", {**node, "spec": {}})
        self._changed.clear()  # what it stands for is written now
        await self._write()

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            timer = asyncio.create_task(self._clock.sleep(HEARTBEAT_SECONDS))
            changed = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait((timer, changed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                changed.cancel()
                await asyncio.gather(timer, changed, return_exceptions=True)
            self._changed.clear()
            try:
                if self._registry.store.get(NODES.key, "", self._name) is None:
                    await self.register()
                else:
                    await self._write()
            except ApiError as error:
                log.warning("the node's heartbeat could not be written: %s", error)

    async def _write(self) -> None:
        await asyncio.gather(self._write_status(), self._renew_lease())

    async def _renew_lease(self) -> None:
        """Nothing here depends on it, so one that cannot be written (its namespace is gone) is no trouble."""
        renewed = rfc3339_micro(self._clock.time())

        def change(lease: Obj) -> Obj:
            lease["spec"] = {**(lease.get("spec") or {}), "renewTime": renewed}
            return lease

        try:
            if await self._registry.mutate(LEASES, LEASE_NAMESPACE, self._name, change) is None:
                await self._registry.create(LEASES, LEASE_NAMESPACE, self._new_lease(renewed))
        except ApiError as error:
            log.debug("the node's lease was not renewed: %s", error)

    def _new_lease(self, renewed: str) -> Obj:
        node = self._registry.get(NODES, "", self._name).obj
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": uid_of(node)}
        spec = {"holderIdentity": self._name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed}
        return {"metadata": {"name": self._name, "ownerReferences": [owner]}, "spec": spec}

    async def _write_status(self) -> None:
        def change(node: Obj) -> Obj:
            status: Obj = node.setdefault("status", {})
            status["capacity"] = status["allocatable"] = capacity()
            status["addresses"] = [
                {"type": "InternalIP", "address": HOST_IP},
                {"type": "Hostname", "address": self._name},
            ]
            status["nodeInfo"] = {
                **self._machine,
                "kernelVersion": platform.release(),
                "osImage": _os_image(),
                "containerRuntimeVersion": self._runtime or "unknown://",
                "kubeletVersion": f"v{__version__}",
                "kubeProxyVersion": f"v{__version__}",
                "operatingSystem": platform.system().lower(),
                "architecture": _architecture(),
            }
            now = rfc3339(self._clock.time())
            for condition in self._conditions(now):
                set_condition(status, condition, now)
            return node

        await self._registry.mutate(NODES, "", self._name, change, subresource="status")

    def _conditions(self, now: str) -> list[Obj]:
        if self._problem:
            ready = {
                "status": "False",
                "reason": "KubeletNotReady",
                "message": f"container runtime is down: {self._problem}",
            }
        else:
            ready = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
        pressures = (
            ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        )
        made: list[Obj] = [
            {"type": kind, "status": "False", "reason": reason, "message": message, "lastHeartbeatTime": now}
            for kind, reason, message in pressures
        ]
        return [*made, {"type": "Ready", **ready, "lastHeartbeatTime": now}]


def _architecture() -> str:
    """In Go's words."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)
