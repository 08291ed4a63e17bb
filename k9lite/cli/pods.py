"""Which pod and container a command means: of `POD`, `pod/POD`, `deploy/NAME`, `svc/NAME`, as kubectl takes them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from k9lite.api.catalog import PODS, SERVICES
from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context
from k9lite.client import containers, discovery
from k9lite.client.rest import KubeClient


async def named(client: KubeClient, namespace: str, target: str) -> tuple[Resource, Obj]:
    """The object that the target names, a pod where it gives no kind. Raises ApiError 404, UnknownResource."""
    kind, slash, name = target.partition("/")
    resource = await discovery.find(client, kind) if slash else PODS
    return resource, await client.get(resource, namespace, name if slash else kind)


async def behind(client: KubeClient, namespace: str, target: str, what: str) -> list[Obj]:
    """The pod itself, or the pods behind a workload or a service: running ones first, then the oldest.

    `what` is what cannot be done without: `get the logs from`. Raises ApiError 404, CommandError.
    """
    resource, obj = await named(client, namespace, target)
    if resource is PODS:
        return [obj]
    spec_selector = dig(obj, "spec", "selector")
    selector = (
        LabelSelector.from_map(spec_selector) if resource is SERVICES else LabelSelector.from_object(spec_selector)
    )
    where = selection.qualified(resource, name_of(obj))
    if spec_selector is None or selector.nothing:
        raise CommandError(f"cannot {what} {where}: it selects no pods")
    pods: list[Obj] = (await client.list(PODS, namespace, label_selector=str(selector)))["items"]
    if not pods:
        raise CommandError(f"no pods of {where} yet; try again in a moment")
    return sorted(pods, key=_rank)


def _rank(pod: Obj) -> tuple[bool, str, str]:
    return (dig(pod, "status", "phase") != "Running", str(dig(pod, "metadata", "creationTimestamp")), name_of(pod))


async def started(client: KubeClient, namespace: str, pod: Obj, seconds: float | None) -> Obj:
    """The pod once it is no longer Pending; as it is after so many seconds. Raises CommandError if it was deleted."""
    if dig(pod, "status", "phase") != "Pending":
        return pod
    name = name_of(pod)
    try:
        async with asyncio.timeout(seconds):
            while True:
                changes = client.watch(PODS, namespace, field_selector=f"metadata.name={name}")
                async with aclosing(changes) as source:  # type: ignore[type-var]
                    async for verb, changed in source:
                        if verb == "DELETED":
                            raise CommandError(f"pod {name} was deleted before it ran")
                        if verb != "BOOKMARK" and dig(changed, "status", "phase") != "Pending":
                            return changed
    except TimeoutError:
        return pod


def container_of(context: Context, pod: Obj, asked: str) -> str:
    """The container asked for, the one the pod's annotation names, else the first. Raises CommandError."""
    names = containers_of(pod)
    if asked:
        if asked not in names:
            raise CommandError(f"container {asked} is not valid for pod {name_of(pod)}; it has {', '.join(names)}")
        return asked
    chosen = str(containers.default_container(pod)["name"])
    if len(names) > 1 and dig(pod, "metadata", "annotations", default={}).get(containers.DEFAULT_CONTAINER) != chosen:
        context.say(f'Defaulted container "{chosen}" out of: {", ".join(names)}')
    return chosen


def containers_of(pod: Obj) -> list[str]:
    """Every container's name, init containers first."""
    return [str(each["name"]) for each in containers.containers_of(pod)]
