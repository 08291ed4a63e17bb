"""`k9lite logs`: of a pod, or of the first pod of a workload; -l follows every matching pod."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing

from k9lite.api.catalog import PODS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.selectors import LabelSelector
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import discovery
from k9lite.client.rest import KubeClient

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
TAIL_WITH_SELECTOR = 10
"""Lines of each pod when a selector is given, as kubectl."""


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("target", nargs="*", metavar="POD | KIND/NAME [CONTAINER]")
    parser.add_argument("-f", "--follow", action=Switch, help="go on as it is written")
    parser.add_argument("--tail", type=int, default=None, metavar="N", help="only the last N lines (-1: all)")
    parser.add_argument("-p", "--previous", action=Switch, help="of the container that ran before")
    parser.add_argument("-c", "--container", default="", metavar="NAME", help="of this container")
    parser.add_argument("--all-containers", action=Switch, help="of every container of the pod")
    parser.add_argument("--timestamps", action=Switch, help="each line with its time")
    parser.add_argument("--prefix", action=Switch, help="each line with pod and container")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="of every pod with these labels")


async def run(context: Context, _: str) -> int:
    args = context.args
    if not args.selector and not 1 <= len(args.target) <= 2:
        raise UsageError("expected 'logs [-f] (POD | TYPE/NAME) [-c CONTAINER]': POD or TYPE/NAME is required")
    if args.selector and args.target:
        raise UsageError("only a selector (-l) or a POD name is allowed")
    if args.tail is not None and args.tail < -1:
        raise UsageError("--tail must be greater than or equal to -1")
    async with context.client() as client:
        namespace = context.namespace(client)
        pods = await _pods(context, client, namespace)
        container = args.container or (args.target[1] if len(args.target) == 2 else "")
        sources = [(pod, each) for pod in pods for each in _containers(context, pod, container)]
        tail = args.tail if args.tail is not None else TAIL_WITH_SELECTOR if args.selector else None
        if args.follow and len(sources) > 1:
            await asyncio.gather(*(_print_logs(context, client, namespace, *each, tail) for each in sources))
        else:
            for each in sources:
                await _print_logs(context, client, namespace, *each, tail)
    return 0


async def _pods(context: Context, client: KubeClient, namespace: str) -> list[Obj]:
    """The pods meant. Raises ApiError 404, CommandError."""
    args = context.args
    if args.selector:
        found: list[Obj] = (await client.list(PODS, namespace, label_selector=args.selector))["items"]
        if not found:
            context.say(f"No resources found in {namespace} namespace.")
        return found
    kind, slash, name = args.target[0].partition("/")
    if not slash:
        return [await client.get(PODS, namespace, kind)]
    resource = await discovery.find(client, kind)
    obj = await client.get(resource, namespace, name)
    if resource is PODS:
        return [obj]
    spec_selector = dig(obj, "spec", "selector")
    selector = (
        LabelSelector.from_map(spec_selector) if resource is SERVICES else LabelSelector.from_object(spec_selector)
    )
    if spec_selector is None or selector.nothing:
        raise CommandError(f"cannot get the logs from {selection.qualified(resource, name)}: it selects no pods")
    pods: list[Obj] = (await client.list(PODS, namespace, label_selector=str(selector)))["items"]
    if not pods:
        raise CommandError(f"no pods of {selection.qualified(resource, name)} yet; try again in a moment")
    pods.sort(key=_rank)
    if len(pods) > 1:
        context.say(f"Found {len(pods)} pods, using pod/{name_of(pods[0])}")
    return pods[:1]


def _rank(pod: Obj) -> tuple[bool, str, str]:
    """Running pods first, then the oldest."""
    return (dig(pod, "status", "phase") != "Running", str(dig(pod, "metadata", "creationTimestamp")), name_of(pod))


def _containers(context: Context, pod: Obj, asked: str) -> list[str]:
    names = [
        str(each["name"]) for key in ("initContainers", "containers") for each in dig(pod, "spec", key, default=[])
    ]
    if asked:
        if asked not in names:
            raise CommandError(f"container {asked} is not valid for pod {name_of(pod)}; it has {', '.join(names)}")
        return [asked]
    if context.args.all_containers:
        return names
    ordinary = [str(each["name"]) for each in dig(pod, "spec", "containers", default=[])]
    default = dig(pod, "metadata", "annotations", default={}).get(DEFAULT_CONTAINER)
    chosen = default if default in names else ordinary[0]
    if len(names) > 1 and default is None:
        context.say(f'Defaulted container "{chosen}" out of: {", ".join(names)}')
    return [chosen]


async def _print_logs(
    context: Context, client: KubeClient, namespace: str, pod: Obj, container: str, tail: int | None
) -> None:
    args, name = context.args, name_of(pod)
    prefix = f"[pod/{name}/{container}] ".encode() if args.prefix else b""
    lines = client.logs(
        namespace,
        name,
        container=container,
        follow=args.follow,
        tail=None if tail == -1 else tail,
        previous=args.previous,
        timestamps=args.timestamps,
    )
    out = sys.stdout.buffer
    try:
        async with aclosing(lines) as source:  # type: ignore[type-var]
            async for line in source:
                out.write(prefix + line)
                if args.follow:
                    out.flush()
    except ApiError as error:
        out.flush()
        raise CommandError(str(error)) from error
    out.flush()
