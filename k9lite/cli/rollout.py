"""`k9lite rollout status|history|undo|restart|pause|resume`."""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import aclosing

from k9lite.api.catalog import DEPLOYMENTS
from k9lite.api.objects import Obj, annotations_of, dig, name_of
from k9lite.api.resources import Resource
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch, duration
from k9lite.client import actions, rollouts
from k9lite.client.columns import elastic
from k9lite.client.progress import progress
from k9lite.client.rest import KubeClient

VERBS = ("status", "history", "undo", "restart", "pause", "resume")


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("resources", nargs="*", metavar="deployment NAME | deployment/NAME")
    parser.add_argument(
        "-w", "--watch", action=Switch, default=True, help="wait until it is done (--watch=false: do not)"
    )
    parser.add_argument("--timeout", default="0s", metavar="TIME", help="status: longest wait (0s: forever)")
    parser.add_argument("--revision", type=int, default=0, metavar="N", help="history: this revision in detail")
    parser.add_argument("--to-revision", type=int, default=0, metavar="N", help="undo: go to this one, not the last")


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "roll out")
    seconds = duration(args.timeout)
    async with context.client() as client:
        resource, name = await selection.one(client, args.resources, args.verb)
        namespace = context.namespace(client)
        if args.verb == "status":
            try:
                async with asyncio.timeout(seconds):
                    return await _status(context, client, resource, namespace, name)
            except TimeoutError:
                raise CommandError("timed out waiting for the condition") from None
        if args.verb != "restart" and resource is not DEPLOYMENTS:
            raise UsageError(f"{args.verb} is known for deployments, not for a {resource.kind}")
        said = await _act(args, client, resource, namespace, name)
    print(f"{selection.qualified(resource, name)} {said}")
    return 0


async def _act(args: argparse.Namespace, client: KubeClient, resource: Resource, namespace: str, name: str) -> str:
    """What was done, or found."""
    if args.verb == "history":
        return await _history(client, namespace, name, args.revision)
    if args.verb == "undo":
        _, number, changed = await rollouts.undo(client, namespace, name, args.to_revision)
        same = f"skipped rollback (current template already matches revision {number})"
        return "rolled back" if changed else same
    if args.verb == "restart":
        obj = await client.get(resource, namespace, name)
        if dig(obj, "spec", "paused"):
            raise CommandError("can't restart paused deployment (run rollout resume first)")
        await actions.restart(client, resource, namespace, name, now=time.time())
        return "restarted"
    await rollouts.pause(client, namespace, name, on=args.verb == "pause")
    return f"{args.verb}d"


async def _history(client: KubeClient, namespace: str, name: str, number: int) -> str:
    """The table of all revisions, or the pod template of one."""
    deployment = await client.get(DEPLOYMENTS, namespace, name)
    found = await rollouts.revisions(client, deployment)
    if not number:
        rows = [(str(each), annotations_of(obj).get(rollouts.CHANGE_CAUSE) or "<none>") for each, obj in found.items()]
        return "\n" + "\n".join(elastic([("REVISION", "CHANGE-CAUSE"), *rows], padding=2)) + "\n"
    if number not in found:
        raise CommandError("unable to find the specified revision")
    from k9lite.client.describe_pods import template
    from k9lite.client.describe_text import Text

    text = Text()
    template(text, found[number]["spec"]["template"])
    return f"with revision #{number}\n{text.tabbed()}"


async def _status(context: Context, client: KubeClient, resource: Resource, namespace: str, name: str) -> int:
    obj = await client.get(resource, namespace, name)
    said = ""
    while True:
        text, done = progress(obj)
        if text != said:
            print(text, flush=True)
            said = text
        if done or not context.args.watch:
            return 0
        obj = await _next(client, resource, namespace, obj)


async def _next(client: KubeClient, resource: Resource, namespace: str, obj: Obj) -> Obj:
    """The object after its next change. Raises CommandError if it was deleted."""
    while True:
        changes = client.watch(
            resource,
            namespace,
            since=obj["metadata"]["resourceVersion"],
            field_selector=f"metadata.name={name_of(obj)}",
        )
        async with aclosing(changes) as source:  # type: ignore[type-var]
            async for kind, changed in source:
                if kind == "DELETED":
                    raise CommandError("object has been deleted")
                if kind != "BOOKMARK":
                    return changed
