"""`k9lite rollout status|restart`."""

from __future__ import annotations

import argparse
import time
from contextlib import aclosing

from k9lite.api.catalog import DEPLOYMENTS
from k9lite.api.objects import Obj, condition_of, dig
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import actions
from k9lite.client.rest import KubeClient


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("verb", choices=["status", "restart"])
    parser.add_argument("resources", nargs="*", metavar="deployment NAME | deployment/NAME")
    parser.add_argument(
        "-w", "--watch", action=Switch, default=True, help="wait until it is done (--watch=false: do not)"
    )


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "roll out")
    async with context.client() as client:
        resource, name = await selection.one(client, args.resources, args.verb)
        namespace = context.namespace(client)
        if args.verb == "restart":
            await actions.restart(client, resource, namespace, name, now=time.time())
            print(f"{selection.qualified(resource, name)} restarted")
            return 0
        if resource is not DEPLOYMENTS:
            raise UsageError(f"no status of a rollout is known for a {resource.kind}")
        return await _status(context, client, namespace, name)


def progress(deployment: Obj) -> tuple[str, bool]:
    """(what kubectl says, whether the rollout is done). Raises CommandError when its deadline has passed."""
    name = deployment["metadata"]["name"]
    status = deployment.get("status") or {}
    if int(dig(deployment, "metadata", "generation", default=0)) > int(status.get("observedGeneration", 0)):
        return "Waiting for deployment spec update to be observed...", False
    progressing = condition_of(deployment, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        raise CommandError(f'deployment "{name}" exceeded its progress deadline')
    wanted = int(dig(deployment, "spec", "replicas", default=1))
    updated, replicas = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    available = int(status.get("availableReplicas", 0))
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new replicas have been updated...", False
    if replicas > updated:
        return f"{waiting}{replicas - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting}{available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


async def _status(context: Context, client: KubeClient, namespace: str, name: str) -> int:
    deployment = await client.get(DEPLOYMENTS, namespace, name)
    said = ""
    while True:
        text, done = progress(deployment)
        if text != said:
            print(text, flush=True)
            said = text
        if done or not context.args.watch:
            return 0
        changes = client.watch(
            DEPLOYMENTS,
            namespace,
            since=deployment["metadata"]["resourceVersion"],
            field_selector=f"metadata.name={name}",
        )
        async with aclosing(changes) as source:  # type: ignore[type-var]
            async for kind, obj in source:
                if kind == "DELETED":
                    raise CommandError("object has been deleted")
                if kind != "BOOKMARK":
                    deployment = obj
                    break
