"""`k9lite scale`."""

from __future__ import annotations

import argparse

from k9lite.api.errors import ApiError
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import actions


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND NAME | KIND/NAME")
    parser.add_argument("--replicas", type=int, metavar="N", help="the new number of pods")
    parser.add_argument("--current-replicas", type=int, metavar="N", help="only if it is this now")
    parser.add_argument("--all", action=Switch, help="every object of the kind")


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "scale")
    if args.replicas is None:
        raise UsageError('required flag(s) "replicas" not set')
    if args.replicas < 0:
        raise CommandError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    failed = False
    async with context.client() as client:
        namespace = context.namespace(client)
        for wanted in await selection.select(client, args.resources, "scale"):
            names = wanted.names
            if not names and args.all:
                listed = await client.list(wanted.resource, namespace)
                names = tuple(item["metadata"]["name"] for item in listed["items"])
            elif not names:
                raise UsageError("resource(s) were provided, but no name was specified")
            for name in names:
                try:
                    await actions.scale(
                        client, wanted.resource, namespace, name, args.replicas, current=args.current_replicas
                    )
                except ApiError as error:
                    context.say(f"Error: {error}")
                    failed = True
                    continue
                print(f"{selection.qualified(wanted.resource, name)} scaled", flush=True)
    return int(failed)
