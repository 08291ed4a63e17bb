"""A pod's container as the engine is asked for it."""

from __future__ import annotations

from k9lite.api import quantity
from k9lite.api.objects import Obj, name_of, namespace_of, uid_of
from k9lite.engines.base import ContainerSpec, CreateError, Port
from k9lite.node.environment import CONFIG_ERROR, Read, environment
from k9lite.node.podspec import grace_of


def container_spec(pod: Obj, container: Obj, attempt: int, pod_ip: str, read: Read) -> ContainerSpec:
    """Raises CreateError for an environment that cannot be had, and for volumes."""
    _refuse_volumes(container)
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return ContainerSpec(
        namespace=namespace_of(pod),
        pod=name_of(pod),
        pod_uid=uid_of(pod),
        name=container["name"],
        attempt=attempt,
        image=container["image"],
        command=tuple(container.get("command") or ()),
        args=tuple(container.get("args") or ()),
        env=environment(pod, container, pod_ip, read),
        working_dir=container.get("workingDir") or "",
        ports=tuple(
            Port(int(port["containerPort"]), port.get("protocol", "TCP"), int(port.get("hostPort") or 0))
            for port in container.get("ports") or ()
        ),
        memory_bytes=quantity.to_bytes(limits["memory"]) if "memory" in limits else 0,
        cpu_millis=quantity.to_millis(limits["cpu"]) if "cpu" in limits else 0,
        cpu_request_millis=quantity.to_millis(requests["cpu"]) if "cpu" in requests else 0,
        grace_seconds=grace_of(pod),
        stdin=bool(container.get("stdin")),
        tty=bool(container.get("tty")),
    )


def _refuse_volumes(container: Obj) -> None:
    """A container that mounts a volume would find an empty place there, and not know."""
    fields = ("volumeMounts", "volumeDevices")
    mounted = [str(mount.get("name")) for field in fields for mount in container.get(field) or ()]
    if mounted:
        raise CreateError(
            f"NotImplementedYet: container {container['name']} mounts {', '.join(mounted)}, and k9lite has no volumes "
            "yet; leave volumeMounts out, or give it what it needs by env and envFrom",
            CONFIG_ERROR,
        )
