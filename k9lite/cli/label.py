"""`k9lite label` and `k9lite annotate`: KEY=VALUE sets, KEY- removes."""

from __future__ import annotations

import argparse

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, annotations_of, labels_of, name_of, namespace_of
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.output import add_output_flags, report
from k9lite.cli.parser import Switch

FIELDS = {"label": "labels", "annotate": "annotations"}


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("words", nargs="*", metavar="KIND NAME... KEY=VALUE... KEY-...")
    parser.add_argument("--overwrite", action=Switch, help="replace values that are there")
    parser.add_argument("--all", action=Switch, help="every object of the kind")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="objects with these labels")
    parser.add_argument("--list", action=Switch, help=f"print the {FIELDS[name]}")
    parser.add_argument("--resource-version", default="", metavar="VERSION", help="only if it is this now")
    add_output_flags(parser)


def split(words: list[str], what: str) -> tuple[list[str], dict[str, str], list[str]]:
    """(words that name objects, what to set, what to remove). Raises UsageError."""
    resources: list[str] = []
    wanted: dict[str, str] = {}
    removed: list[str] = []
    for word in words:
        if "=" in word and not word.startswith("="):
            key, _, value = word.partition("=")
            wanted[key] = value
        elif word.endswith("-") and len(word) > 1:
            removed.append(word[:-1])
        elif wanted or removed:
            raise UsageError(f"all resources must be specified before {what} changes: {word}")
        else:
            resources.append(word)
    both = sorted(set(wanted) & set(removed))
    if both:
        raise UsageError(f"can not both modify and remove {what} in the same command: {', '.join(both)}")
    return resources, wanted, removed


async def run(context: Context, name: str) -> int:
    args = context.args
    field = FIELDS[name]
    what = "label" if name == "label" else "annotation"
    resources, wanted, removed = split(args.words, what)
    selection.check(resources, name)
    if not (wanted or removed or args.list):
        raise UsageError(f"at least one {what} update is required")
    failed = False
    async with context.client() as client:
        found = await selection.objects(
            client, resources, context.namespace(client), name, selector=args.selector, every=args.all
        )
        if args.resource_version and len(found) != 1:
            raise UsageError("--resource-version may only be used with a single resource")
        for resource, obj in found:
            has = labels_of(obj) if field == "labels" else annotations_of(obj)
            if args.list:
                _print_list(resource.plural if len(found) > 1 else "", obj, has)
                continue
            if not args.overwrite:
                _check_new(what, has, wanted)
            for key in removed:
                if key not in has:
                    print(f'{what} "{key}" not found.')
            patch: Obj = {"metadata": {field: {**wanted, **dict.fromkeys(removed)}}}
            if args.resource_version:
                patch["metadata"]["resourceVersion"] = args.resource_version
            try:
                changed = await client.patch(
                    resource, namespace_of(obj) or None, name_of(obj), patch, dry_run=args.dry_run == "server"
                )
            except ApiError as error:
                context.say(f"Error: {error}")
                failed = True
                continue
            report(args, resource, changed, _word(name, has, wanted, removed))
    return int(failed)


def _print_list(kind: str, obj: Obj, has: dict[str, str]) -> None:
    if kind:
        print(f"Listing labels for {kind}/{name_of(obj)}:")
    for key, value in sorted(has.items()):
        print(f"{' ' if kind else ''}{key}={value}")


def _check_new(what: str, has: dict[str, str], wanted: dict[str, str]) -> None:
    """Raises CommandError where a value would be replaced."""
    there = [f"'{key}' already has a value ({has[key]})" for key in wanted if key in has and has[key] != wanted[key]]
    if not there:
        return
    if what == "label":
        raise CommandError(f"{'; '.join(there)}, and --overwrite is false")
    raise CommandError(f"--overwrite is false but found the following declared annotation(s): {'; '.join(there)}")


def _word(name: str, has: dict[str, str], wanted: dict[str, str], removed: list[str]) -> str:
    if name == "annotate":
        return "annotated"
    sets = any(has.get(key) != value for key, value in wanted.items())
    removes = any(key in has for key in removed)
    return "labeled" if sets else "unlabeled" if removes else "not labeled"
