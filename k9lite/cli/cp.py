"""`k9lite cp`: files and directories to and from containers that have `tar`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from k9lite.api.catalog import PODS
from k9lite.cli import pods
from k9lite.cli.context import Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import copying
from k9lite.client.rest import KubeClient

_REMOTE = re.compile(r"(?:(?P<namespace>[a-z0-9-]+)/)?(?P<pod>[a-z0-9][a-z0-9.-]*):(?P<path>.*)", re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("places", nargs="*", metavar="[[NAMESPACE/]POD:]PATH")
    parser.add_argument("-c", "--container", default="", metavar="NAME", help="of this container")
    parser.add_argument("--no-preserve", action=Switch, help="owners and modes as the container's user makes them")


async def run(context: Context, _: str) -> int:
    args = context.args
    if len(args.places) != 2:
        raise UsageError("source and destination are required: cp SOURCE DESTINATION, one of them as POD:PATH")
    source, target = args.places
    remote_source, remote_target = _remote(source), _remote(target)
    if (remote_source is None) == (remote_target is None):
        raise UsageError("one of src or dest must be a local file specification, the other POD:PATH")
    async with context.client() as client:
        if remote_target is not None:
            place = await _place(context, client, remote_target)
            await copying.upload(place, Path(source), _path(remote_target), preserve=not args.no_preserve)
        elif remote_source is not None:
            place = await _place(context, client, remote_source)
            await copying.download(place, _path(remote_source), Path(target), context.say)
    return 0


def _remote(text: str) -> re.Match[str] | None:
    """`POD:PATH`; a path with a slash or a dot in front is a local one, whatever follows."""
    return None if text.startswith(("/", ".")) else _REMOTE.fullmatch(text)


def _path(remote: re.Match[str]) -> str:
    if not remote["path"]:
        raise UsageError("filepath can not be empty")
    return str(remote["path"])


async def _place(context: Context, client: KubeClient, remote: re.Match[str]) -> copying.Place:
    """Raises ApiError 404, CommandError."""
    namespace = remote["namespace"] or context.namespace(client)
    pod = await client.get(PODS, namespace, remote["pod"])
    container = pods.container_of(context, pod, context.args.container)
    return copying.Place(client, namespace, remote["pod"], container)
