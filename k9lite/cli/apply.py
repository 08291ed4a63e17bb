"""`k9lite apply -f`."""

from __future__ import annotations

import argparse

from k9lite.api.errors import ApiError
from k9lite.api.objects import name_of
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.manifests import add_file_flags, load, place
from k9lite.cli.output import render, without_managed_fields
from k9lite.cli.selection import qualified
from k9lite.client import discovery
from k9lite.client.apply import LAST_APPLIED, apply


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    add_file_flags(parser)
    parser.add_argument("--dry-run", choices=["none", "server"], default="none", help="let the server check only")
    parser.add_argument("-o", "--output", choices=["name", "yaml", "json"], default="", help="print the objects")


async def run(context: Context, _: str) -> int:
    """Apply every document; what fails is said with file and line, and the rest still applied."""
    args = context.args
    if not args.filename:
        raise UsageError("must specify one of -f and -k; -k is not served")
    documents = load(context)
    failed = False
    async with context.client() as client:
        for document in documents:
            try:
                if not name_of(document.obj):
                    raise CommandError("resource name may not be empty")
                resource = await discovery.find_kind(client, document.obj["apiVersion"], document.obj["kind"])
                namespace = place(context, client, resource, document)
                word, obj, foreign = await apply(
                    client, resource, namespace, document.obj, dry_run=args.dry_run == "server"
                )
            except (ApiError, CommandError, discovery.UnknownResource) as error:
                context.say(f"Error: {document.where}: {error}")
                failed = True
                continue
            name = qualified(resource, name_of(obj))
            if foreign:
                context.say(
                    f"Warning: resource {resource.plural}/{name_of(obj)} is missing the {LAST_APPLIED} annotation "
                    "which is required by apply. apply should only be used on resources created by "
                    "create --save-config or apply. The missing annotation will be patched automatically."
                )
            if args.output in ("yaml", "json"):
                print(render(without_managed_fields(obj), args.output), end="")
            else:
                remark = " (server dry run)" if args.dry_run == "server" else ""
                print(name if args.output == "name" else f"{name} {word}{remark}", flush=True)
    return int(failed)
