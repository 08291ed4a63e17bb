"""`k9lite logs`: of a pod, or of the first pod of a workload; -l follows every matching pod."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from contextlib import aclosing

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of
from k9lite.cli import pods
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch, duration
from k9lite.client.rest import KubeClient

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
    parser.add_argument("--since", default="0", metavar="TIME", help="only lines newer than 5s, 2m or 3h")
    parser.add_argument("--since-time", default="", metavar="TIME", help="only lines after 2026-01-02T03:04:05Z")
    parser.add_argument("--limit-bytes", type=int, default=0, metavar="N", help="no more than N bytes (0: all)")
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
        meant = await _pods(context, client, namespace)
        container = args.container or (args.target[1] if len(args.target) == 2 else "")
        sources = [(pod, each) for pod in meant for each in _containers(context, pod, container)]
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
        listed: list[Obj] = (await client.list(PODS, namespace, label_selector=args.selector))["items"]
        if not listed:
            context.say(f"No resources found in {namespace} namespace.")
        return listed
    found = await pods.behind(client, namespace, args.target[0], "get the logs from")
    if len(found) > 1:
        context.say(f"Found {len(found)} pods, using pod/{name_of(found[0])}")
    return found[:1]


def _containers(context: Context, pod: Obj, asked: str) -> list[str]:
    if context.args.all_containers and not asked:
        return pods.containers_of(pod)
    return [pods.container_of(context, pod, asked)]


async def _print_logs(
    context: Context, client: KubeClient, namespace: str, pod: Obj, container: str, tail: int | None
) -> None:
    args, name = context.args, name_of(pod)
    since = duration(args.since, "--since")
    prefix = f"[pod/{name}/{container}] ".encode() if args.prefix else b""
    lines = client.logs(
        namespace,
        name,
        container=container,
        follow=args.follow,
        tail=None if tail == -1 else tail,
        previous=args.previous,
        timestamps=args.timestamps,
        since_seconds=None if since is None else math.ceil(since),
        since_time=args.since_time,
        limit_bytes=args.limit_bytes or None,
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
