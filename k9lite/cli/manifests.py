"""-f: files, directories and standard input as arguments."""

from __future__ import annotations

import argparse

from k9lite.api.objects import namespace_of
from k9lite.api.resources import Resource
from k9lite.cli.context import CommandError, Context
from k9lite.cli.parser import Switch
from k9lite.client.rest import KubeClient
from k9lite.client.yamlio import Document, read_manifests


def add_file_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--filename", action="append", default=[], metavar="FILE", help="file, directory, or - for standard input"
    )
    parser.add_argument("-R", "--recursive", action=Switch, help="directories with all that is below them")


def load(context: Context) -> list[Document]:
    """Every document, all of them read before anything is sent. Raises ManifestError, CommandError."""
    documents = read_manifests(context.args.filename, recursive=context.args.recursive)
    if not documents:
        raise CommandError(f"no objects passed: {', '.join(context.args.filename)} holds none")
    return documents


def place(context: Context, client: KubeClient, resource: Resource, document: Document) -> str | None:
    """The namespace an object goes to, None for cluster-scoped ones. Raises CommandError where -n says another."""
    if not resource.namespaced:
        return None
    own, asked = namespace_of(document.obj), context.arg("namespace")
    if own and asked and own != asked:
        raise CommandError(
            f'the namespace from the provided object "{own}" does not match the namespace "{asked}". '
            f"You must pass '--namespace={own}' to perform this operation."
        )
    return own or context.namespace(client)
