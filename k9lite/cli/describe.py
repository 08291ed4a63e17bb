"""`k9lite describe`."""

from __future__ import annotations

import argparse

from k9lite.api.errors import ApiError
from k9lite.api.objects import name_of, namespace_of
from k9lite.cli import selection
from k9lite.cli.context import Context
from k9lite.cli.parser import Switch
from k9lite.client.describe import describe
from k9lite.client.rest import KubeClient


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND [NAME...] | KIND/NAME")
    parser.add_argument("-A", "--all-namespaces", action=Switch, help="objects of every namespace")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only objects with these labels")


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "describe")
    failed, texts = False, []
    async with context.client() as client:
        for wanted in await selection.select(client, args.resources, "describe"):
            for namespace, name in await _objects(context, client, wanted):
                try:
                    texts.append(await describe(client, wanted.resource, namespace, name))
                except ApiError as error:
                    context.say(f"Error: {error}")
                    failed = True
        if not texts and not failed:
            where = "" if args.all_namespaces else f" in {context.namespace(client)} namespace."
            context.say(f"No resources found{where}")
    print("\n\n".join(texts), end="")
    return int(failed)


async def _objects(context: Context, client: KubeClient, wanted: selection.Selection) -> list[tuple[str, str]]:
    """(namespace, name) of each object; a name that is only a beginning stands for all that begin so, as upstream."""
    namespace = context.namespace(client) if wanted.resource.namespaced else ""
    if not wanted.names:
        everywhere = context.args.all_namespaces or not wanted.resource.namespaced
        listed = await client.list(
            wanted.resource, None if everywhere else namespace, label_selector=context.args.selector
        )
        return [(namespace_of(item), name_of(item)) for item in listed["items"]]
    found: list[tuple[str, str]] = []
    for name in wanted.names:
        listed = await client.list(wanted.resource, namespace or None)
        names = [name_of(item) for item in listed["items"]]
        matching = [name] if name in names else [each for each in names if each.startswith(name)]
        found += [(namespace, each) for each in matching or [name]]
    return found
