"""What a user does to objects, shared by the commands and the app: each builds an object or a patch and sends it.

Builders are pure; the functions that take a client do the call and return the server's answer. Source of the shapes:
kubectl's create deployment, expose, scale, rollout restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k9lite.api.catalog import DEPLOYMENTS, NAMESPACES, PODS, REPLICASETS, SERVICES
from k9lite.api.objects import Obj, dig, labels_of, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.client.errors import ClientError
from k9lite.client.rest import KubeClient
from k9lite.clock import rfc3339

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
HOST_IMAGE = "host"
"""The image name that means a program of the machine itself."""


class ActionError(ClientError):
    """The action makes no sense as asked; nothing was sent."""


def container_name(image: str) -> str:
    """The last part of an image's name, without tag or digest, as a label: `nginx` of `docker.io/nginx:1.27`."""
    last = image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0].lower()
    kept = "".join(letter if letter.isalnum() else "-" for letter in last).strip("-")
    return kept[:63].rstrip("-") or "container"


def deployment_object(
    name: str,
    images: str | Sequence[str],
    *,
    namespace: str = "",
    replicas: int = 1,
    port: int | None = None,
    command: Sequence[str] = (),
    runtime_class: str = "",
) -> Obj:
    """A Deployment as `create deployment` makes it: label `app=NAME`, one container per image. Raises ActionError."""
    listed = [images] if isinstance(images, str) else list(images)
    if not listed or not all(listed):
        raise ActionError("an image is needed: --image=NAME")
    if len(listed) > 1 and command:
        raise ActionError("cannot specify multiple --image options and command")
    if HOST_IMAGE in listed and not command:
        raise ActionError(
            f"--image={HOST_IMAGE} runs a program of this machine and needs a command: "
            f"create deployment {name} --image={HOST_IMAGE} -- PROGRAM ARGS..."
        )
    labels = {"app": name}
    spec: Obj = {"containers": _containers(listed, port, command)}
    if runtime_class:
        spec["runtimeClassName"] = runtime_class
    return {
        "apiVersion": DEPLOYMENTS.api_version,
        "kind": DEPLOYMENTS.kind,
        "metadata": {"name": name, "labels": labels, **({"namespace": namespace} if namespace else {})},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _containers(images: Sequence[str], port: int | None, command: Sequence[str]) -> list[Obj]:
    made: list[Obj] = []
    for image in images:
        name = container_name(image)
        if any(each["name"] == name for each in made):
            name = f"{name[:60]}-{len(made) + 1}"
        container: Obj = {"name": name, "image": image}
        if command:
            container["command"] = list(command)
        if port is not None:
            container["ports"] = [{"containerPort": port}]
        made.append(container)
    return made


async def create_deployment(
    client: KubeClient, namespace: str, name: str, images: str | Sequence[str], *, dry_run: bool = False, **options: Any
) -> Obj:
    """Create a Deployment; options as `deployment_object`."""
    obj = deployment_object(name, images, namespace=namespace, **options)
    return await client.create(DEPLOYMENTS, namespace, obj, dry_run=dry_run)


def namespace_object(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": NAMESPACES.kind, "metadata": {"name": name}}


def service_object(
    exposed: Obj,
    *,
    name: str = "",
    service_type: str = "ClusterIP",
    port: int | None = None,
    target_port: int | str | None = None,
    node_port: int | None = None,
    protocol: str = "",
) -> Obj:
    """A Service in front of a Deployment, ReplicaSet, Pod or Service. Raises ActionError where that cannot be.

    Without `port` the container's ports are taken; without `target_port` it is the port.
    """
    ports = [{"port": port, "protocol": protocol or "TCP"}] if port else _container_ports(exposed, protocol)
    if not ports:
        raise ActionError("couldn't find port via --port flag or introspection")
    for entry in ports:
        entry["targetPort"] = target_port if target_port is not None else entry["port"]
        if len(ports) > 1:
            entry["name"] = f"port-{ports.index(entry) + 1}"
    if node_port is not None:
        ports[0]["nodePort"] = node_port
    metadata: Obj = {"name": name or name_of(exposed)}
    if namespace_of(exposed):
        metadata["namespace"] = namespace_of(exposed)
    if labels_of(exposed):
        metadata["labels"] = dict(labels_of(exposed))
    spec: Obj = {"selector": _selector_of(exposed), "ports": ports, "type": service_type}
    return {"apiVersion": "v1", "kind": SERVICES.kind, "metadata": metadata, "spec": spec}


def _container_ports(exposed: Obj, protocol: str) -> list[Obj]:
    if exposed["kind"] == SERVICES.kind:
        listed = dig(exposed, "spec", "ports", default=[])
        return [{"port": each["port"], "protocol": each.get("protocol", "TCP")} for each in listed]
    template = exposed if exposed["kind"] == PODS.kind else dig(exposed, "spec", "template", default={})
    return [
        {"port": each["containerPort"], "protocol": protocol or each.get("protocol", "TCP")}
        for container in dig(template, "spec", "containers", default=[])
        for each in container.get("ports") or []
    ]


def _selector_of(exposed: Obj) -> dict[str, str]:
    kind, name = str(exposed["kind"]), name_of(exposed)
    if kind == PODS.kind:
        selector = labels_of(exposed)
        if not selector:
            raise ActionError("the pod has no labels and cannot be exposed")
    elif kind == SERVICES.kind:
        selector = dig(exposed, "spec", "selector", default={})
        if not selector:
            raise ActionError("the service has no pod selector set")
    elif kind in (DEPLOYMENTS.kind, REPLICASETS.kind):
        if dig(exposed, "spec", "selector", "matchExpressions"):
            raise ActionError(f'{kind.lower()} "{name}" selects by expressions; a service can select by labels only')
        selector = dig(exposed, "spec", "selector", "matchLabels", default={})
    else:
        raise ActionError(f"cannot expose a {kind}")
    return dict(selector)


async def expose(
    client: KubeClient, resource: Resource, namespace: str, name: str, *, service_name: str = "", **options: Any
) -> Obj:
    """Create a Service in front of an object; options as `service_object`."""
    exposed = await client.get(resource, namespace, name)
    made = service_object(exposed, name=service_name, **options)
    return await client.create(SERVICES, namespace, made)


async def scale(
    client: KubeClient, resource: Resource, namespace: str, name: str, replicas: int, *, current: int | None = None
) -> None:
    """Set the number of replicas; with `current`, only if that is what it has. Raises ActionError, ApiError."""
    if replicas < 0:
        raise ActionError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    if "scale" not in resource.subresources:
        raise ActionError(f"a {resource.kind} cannot be scaled")
    if current is not None:
        obj = await client.get(resource, namespace, name)
        has = dig(obj, "spec", "replicas", default=1)
        if has != current:
            raise ActionError(f"Expected replicas to be {current}, was {has}")
    await client.scale(resource, namespace, name, replicas)


async def delete(
    client: KubeClient,
    resource: Resource,
    namespace: str | None,
    name: str,
    *,
    grace_seconds: int | None = None,
    propagation: str = "Background",
    uid: str | None = None,
) -> Obj:
    """Delete an object and, in the background, what it owns."""
    return await client.delete(resource, namespace, name, propagation=propagation, grace_seconds=grace_seconds, uid=uid)


async def kill(client: KubeClient, namespace: str, pod: str, *, uid: str | None = None) -> None:
    """End a pod at once, without a grace period."""
    await client.delete(PODS, namespace, pod, grace_seconds=0, uid=uid)


async def restart(client: KubeClient, resource: Resource, namespace: str, name: str, *, now: float) -> Obj:
    """Replace every pod of a workload, as its strategy says; on a Pod: delete it, so that its owner replaces it."""
    if resource.kind == PODS.kind:
        return await client.delete(PODS, namespace, name)
    if resource.kind == REPLICASETS.kind or "scale" not in resource.subresources:
        raise ActionError(f"a {resource.kind} cannot be restarted")
    stamp = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: rfc3339(now)}}}}}
    return await client.patch(resource, namespace, name, stamp)
