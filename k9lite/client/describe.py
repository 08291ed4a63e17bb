"""Objects in detail, as `kubectl describe` prints them: fetches what belongs together, and leaves it to the text."""

from __future__ import annotations

from collections.abc import Sequence

from k9lite.api.catalog import (
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    LIMITRANGES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    RESOURCEQUOTAS,
    SERVICES,
)
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, controller_of, dig, name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.client import describe_kinds as kinds
from k9lite.client.describe_pods import describe_pod
from k9lite.client.describe_text import Text
from k9lite.client.rest import KubeClient


async def describe(
    client: KubeClient, resource: Resource, namespace: str | None, name: str, *, now: float | None = None
) -> str:
    """The description of one object, with its events. Raises ApiError, ConnectionLost.

    `now`: seconds since the epoch that ages are counted from, the present by default.
    """
    obj = await client.get(resource, namespace, name)
    obj.setdefault("kind", resource.kind)
    text = Text(now)
    about = await events_of(client, obj)
    if resource.key == PODS.key:
        describe_pod(text, obj, about)
    elif resource.key == DEPLOYMENTS.key:
        kinds.describe_deployment(text, obj, await _replica_sets(client, obj), about)
    elif resource.key == REPLICASETS.key:
        pods = await _selected(client, PODS, obj)
        kinds.describe_replica_set(text, obj, _controlled(pods, obj), about)
    elif resource.key == SERVICES.key:
        label = f"kubernetes.io/service-name={name_of(obj)}"
        slices = await _list(client, ENDPOINTSLICES, namespace_of(obj), label_selector=label)
        kinds.describe_service(text, obj, slices, about)
    elif resource.key == NODES.key:
        pods = await _list(client, PODS, None, field_selector=f"spec.nodeName={name_of(obj)}")
        alive = [pod for pod in pods if dig(pod, "status", "phase") not in ("Succeeded", "Failed")]
        kinds.describe_node(text, obj, alive, about)
    elif resource.key == NAMESPACES.key:
        quotas = await _those_served(client, RESOURCEQUOTAS, name)
        kinds.describe_namespace(text, obj, quotas, await _those_served(client, LIMITRANGES, name))
    else:
        kinds.describe_other(text, obj, about)
    return str(text)


async def events_of(client: KubeClient, obj: Obj) -> list[Obj]:
    """The events about an object; none where the user may not see events."""
    fields = f"involvedObject.name={name_of(obj)},involvedObject.kind={obj['kind']}"
    if uid_of(obj) and obj["kind"] != NODES.kind:  # kubelets name the node where its uid should be
        fields += f",involvedObject.uid={uid_of(obj)}"
    try:
        return await _list(client, EVENTS, namespace_of(obj) or None, field_selector=fields)
    except ApiError as error:
        if error.code in (400, 403):
            return []
        raise


async def _list(
    client: KubeClient, resource: Resource, namespace: str | None, *, label_selector: str = "", field_selector: str = ""
) -> list[Obj]:
    listed = await client.list(resource, namespace, label_selector=label_selector, field_selector=field_selector)
    items: list[Obj] = listed.get("items") or []
    return items


async def _those_served(client: KubeClient, resource: Resource, namespace: str) -> list[Obj]:
    """None where the server has no such kind, or the user may not see it."""
    try:
        return await _list(client, resource, namespace)
    except ApiError as error:
        if error.code in (403, 404):
            return []
        raise


async def _selected(client: KubeClient, resource: Resource, obj: Obj) -> list[Obj]:
    """The objects of its namespace that its selector matches."""
    selector = LabelSelector.from_object(dig(obj, "spec", "selector"))
    return await _list(client, resource, namespace_of(obj), label_selector=str(selector))


def _controlled(objs: Sequence[Obj], owner: Obj) -> list[Obj]:
    return [obj for obj in objs if (controller_of(obj) or {}).get("uid") == uid_of(owner)]


async def _replica_sets(client: KubeClient, deployment: Obj) -> list[Obj]:
    """Those it controls, the newest revision first."""
    found = _controlled(await _selected(client, REPLICASETS, deployment), deployment)
    revision = "deployment.kubernetes.io/revision"
    found.sort(key=lambda each: int(dig(each, "metadata", "annotations", revision, default="0")), reverse=True)
    return found
