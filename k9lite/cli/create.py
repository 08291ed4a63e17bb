"""`k9lite create deployment|namespace` and `create -f`."""

from __future__ import annotations

import argparse

from k9lite.api.catalog import DEPLOYMENTS, NAMESPACES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of
from k9lite.api.resources import Resource
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.manifests import add_file_flags, load, place
from k9lite.cli.output import render, without_managed_fields
from k9lite.cli.selection import qualified
from k9lite.client import actions, discovery

KINDS = {"deployment": "deployment", "deploy": "deployment", "namespace": "namespace", "ns": "namespace"}


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("what", nargs="*", metavar="deployment NAME | namespace NAME")
    parser.add_argument("--image", action="append", default=[], help="image; `host` runs a program of this machine")
    parser.add_argument("-r", "--replicas", type=int, default=1, metavar="N", help="number of pods (1)")
    parser.add_argument("--port", type=int, metavar="PORT", help="port that the container listens on")
    parser.add_argument("--runtime-class", default="", metavar="NAME", help="engine: docker or process")
    parser.add_argument("--dry-run", choices=["none", "client", "server"], default="none", help="only check, or show")
    parser.add_argument("-o", "--output", choices=["name", "yaml", "json"], default="", help="print what was made")
    add_file_flags(parser)
    parser.epilog = (
        "What follows -- is the command of a deployment: create deployment NAME --image=host -- PROGRAM ARGS"
    )


async def run(context: Context, _: str) -> int:
    args = context.args
    if args.filename:
        return await _from_files(context)
    if len(args.what) < 2 or args.what[0] not in KINDS:
        known = "a deployment or a namespace, or pass -f FILE"
        raise UsageError(f"unknown resource {args.what[0]!r}; create {known}" if len(args.what) > 1
                         else f"name what to create: {known}")  # fmt: skip
    if len(args.what) > 2:
        raise UsageError(f"exactly one NAME is required, got {len(args.what) - 1}; put a command after --")
    name = args.what[1]
    if KINDS[args.what[0]] == "namespace":
        return await _create(context, NAMESPACES, actions.namespace_object(name))
    if not args.image:
        raise UsageError('required flag(s) "image" not set')
    if args.replicas < 0:
        raise CommandError(f"--replicas must not be negative, but is {args.replicas}")
    images = [image for given in args.image for image in given.split(",")]
    made = actions.deployment_object(
        name,
        images,
        replicas=args.replicas,
        port=args.port,
        command=context.command,
        runtime_class=args.runtime_class,
    )
    return await _create(context, DEPLOYMENTS, made)


async def _create(context: Context, resource: Resource, obj: Obj) -> int:
    args = context.args
    if args.dry_run == "client":
        _print(context, resource, obj, " (dry run)")
        return 0
    async with context.client() as client:
        namespace = context.namespace(client) if resource.namespaced else None
        made = await client.create(resource, namespace, obj, dry_run=args.dry_run == "server")
    _print(context, resource, made, " (server dry run)" if args.dry_run == "server" else "")
    return 0


def _print(context: Context, resource: Resource, obj: Obj, remark: str) -> None:
    form = context.args.output
    if form in ("yaml", "json"):
        print(render(without_managed_fields(obj), form), end="")
    elif form == "name":
        print(qualified(resource, name_of(obj)))
    else:
        print(f"{qualified(resource, name_of(obj))} created{remark}")


async def _from_files(context: Context) -> int:
    """Create everything the files hold; what fails is said, and the rest still made."""
    documents = load(context)
    failed = False
    async with context.client() as client:
        for document in documents:
            try:
                resource = await discovery.find_kind(client, document.obj["apiVersion"], document.obj["kind"])
                namespace = place(context, client, resource, document)
                made = await client.create(
                    resource, namespace, document.obj, dry_run=context.args.dry_run == "server"
                ) if context.args.dry_run != "client" else document.obj  # fmt: skip
                _print(context, resource, made, "" if context.args.dry_run == "none" else " (dry run)")
            except (ApiError, discovery.UnknownResource, CommandError) as error:
                context.say(f"Error: {document.where}: {error}")
                failed = True
    return int(failed)
