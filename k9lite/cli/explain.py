"""`k9lite explain KIND[.FIELD...]`: what fields there are."""

from __future__ import annotations

import argparse
from dataclasses import replace

from k9lite.api.errors import ApiError
from k9lite.cli.context import Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import discovery, explain


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("path", metavar="KIND[.FIELD...]")
    parser.add_argument("--recursive", action=Switch, help="the names of all fields below, without descriptions")
    parser.add_argument("--api-version", default="", metavar="GROUP/VERSION", help="this version of the kind")


async def run(context: Context, _: str) -> int:
    args = context.args
    async with context.client() as client:
        kind = args.path
        fields: list[str] = []
        while True:  # `hpa.spec` is a field, `deployments.apps` a kind of a group
            try:
                resource = await discovery.find(client, kind)
                break
            except discovery.UnknownResource:
                head, dot, last = kind.rpartition(".")
                if not dot:
                    raise
                kind, fields = head, [last, *fields]
        if args.api_version:
            group, _, version = args.api_version.rpartition("/")
            resource = replace(resource, group=group, version=version)
        try:
            schemas = await explain.schemas_of(client, resource)
        except ApiError as error:
            raise UsageError(f"the server does not tell of fields: {error}") from error
    print(explain.Explainer(schemas, resource).text(fields, recursive=args.recursive), end="")
    return 0
