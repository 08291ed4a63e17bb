"""A pod's container as the engine is asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k9lite.api import quantity
from k9lite.api.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, uid_of
from k9lite.engines.base import ContainerSpec, CreateError, Port, built_in_id


def engine_of(pod: Obj, default: str) -> str:
    """The engine that runs a pod: the one of spec.runtimeClassName, else the cluster's.

    Images that only the process engine has run there, whatever engine the cluster has besides.
    """
    if chosen := dig(pod, "spec", "runtimeClassName"):
        return str(chosen)
    built_in = all(built_in_id(item["image"]) for item in (*init_containers_of(pod), *containers_of(pod)))
    return "process" if built_in else default


def container_spec(pod: Obj, container: Obj, attempt: int, pod_ip: str) -> ContainerSpec:
    """Raises CreateError for an environment that cannot be had."""
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
        env=environment(pod, container, pod_ip),
        working_dir=container.get("workingDir") or "",
        ports=tuple(
            Port(int(port["containerPort"]), port.get("protocol", "TCP"), int(port.get("hostPort") or 0))
            for port in container.get("ports") or ()
        ),
        memory_bytes=quantity.to_bytes(limits["memory"]) if "memory" in limits else 0,
        cpu_millis=quantity.to_millis(limits["cpu"]) if "cpu" in limits else 0,
        cpu_request_millis=quantity.to_millis(requests["cpu"]) if "cpu" in requests else 0,
        grace_seconds=grace_of(pod),
    )


def grace_of(pod: Obj) -> int:
    """spec.terminationGracePeriodSeconds."""
    return int(dig(pod, "spec", "terminationGracePeriodSeconds", default=30))


def environment(pod: Obj, container: Obj, pod_ip: str) -> dict[str, str]:
    """The variables of `env`, references in them not yet expanded. Raises CreateError."""
    env: dict[str, str] = {}
    for entry in container.get("env") or ():
        source = entry.get("valueFrom")
        if not source:
            env[entry["name"]] = entry.get("value") or ""
            continue
        if "fieldRef" in source:
            env[entry["name"]] = field_value(pod, str(dig(source, "fieldRef", "fieldPath", default="")), pod_ip)
        elif "resourceFieldRef" in source:
            env[entry["name"]] = _resource_value(container, source["resourceFieldRef"])
        else:
            kind = next(iter(source), "valueFrom")
            raise CreateError(
                f"env {entry['name']} of container {container['name']}: {kind} is not supported yet; give a `value`",
                "CreateContainerConfigError",
            )
    return env


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
        "status.hostIP": lambda: "127.0.0.1",
        "status.hostIPs": lambda: "127.0.0.1",
    }
    if path in simple:
        return simple[path]()
    for prefix, values in (("metadata.labels", labels_of(pod)), ("metadata.annotations", annotations_of(pod))):
        if path.startswith(prefix + "['") and path.endswith("']"):
            return values.get(path[len(prefix) + 2 : -2], "")
    raise CreateError(f'unsupported fieldPath: "{path}"', "CreateContainerConfigError")


def _resource_value(container: Obj, reference: Obj) -> str:
    group, _, name = str(reference.get("resource", "")).partition(".")
    value = dig(container, "resources", group, name, default="0")
    if name == "cpu":
        return str(-(-quantity.to_millis(value) // 1000))
    return str(quantity.to_bytes(value))


def containers_of(pod: Obj) -> list[Obj]:
    containers: list[Obj] = dig(pod, "spec", "containers", default=[])
    return containers


def init_containers_of(pod: Obj) -> list[Obj]:
    containers: list[Obj] = dig(pod, "spec", "initContainers", default=[])
    return containers


def declared_ports(containers: Iterable[Obj]) -> list[int]:
    """Every containerPort that speaks TCP."""
    return [
        int(port["containerPort"])
        for container in containers
        for port in container.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]
