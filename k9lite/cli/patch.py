"""`k9lite patch`: changes fields of objects by a patch in JSON or YAML."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from k9lite.api.objects import name_of, namespace_of
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.output import add_output_flags, report
from k9lite.client.errors import ManifestError
from k9lite.client.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

TYPES = {"strategic": STRATEGIC_PATCH, "merge": MERGE_PATCH, "json": JSON_PATCH}


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND NAME | KIND/NAME")
    parser.add_argument("-p", "--patch", default="", metavar="PATCH", help="the patch, as JSON or YAML")
    parser.add_argument("--patch-file", default="", metavar="FILE", help="a file that holds the patch")
    parser.add_argument("--type", choices=sorted(TYPES), default="strategic", help="how the patch is meant")
    parser.add_argument("--subresource", default="", metavar="NAME", help="such as status or scale")
    add_output_flags(parser)


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "patch")
    patch = _patch_of(args)
    async with context.client() as client:
        found = await selection.objects(client, args.resources, context.namespace(client), "patch")
        for resource, obj in found:
            changed = await client.patch(
                resource,
                namespace_of(obj) or None,
                name_of(obj),
                patch,
                TYPES[args.type],
                subresource=args.subresource or None,
                dry_run=args.dry_run == "server",
            )
            same = changed["metadata"].get("resourceVersion") == obj["metadata"].get("resourceVersion")
            report(args, resource, changed, "patched (no change)" if same and args.dry_run == "none" else "patched")
    return 0


def _patch_of(args: argparse.Namespace) -> Any:
    """Raises UsageError, CommandError."""
    from k9lite.client.yamlio import parse_yaml

    if bool(args.patch) == bool(args.patch_file):
        raise UsageError("must specify --patch or --patch-file" + (", not both" if args.patch else ""))
    text, source = args.patch, "--patch"
    if args.patch_file:
        source = args.patch_file
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"unable to read patch file: {error}") from error
    try:
        patch = parse_yaml(text, source)
    except ManifestError as error:
        raise CommandError(f"unable to parse the patch: {error}") from error
    expected: type = list if args.type == "json" else dict
    if not isinstance(patch, expected):
        shape = "a list of operations" if expected is list else "a mapping"
        raise CommandError(f"unable to parse the patch: a {args.type} patch is {shape}")
    return patch
