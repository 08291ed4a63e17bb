"""`k9lite get`: one request for each kind (or name), tables rendered by the server as for kubectl."""

from __future__ import annotations

import argparse
from contextlib import aclosing
from typing import Any

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.cli import selection
from k9lite.cli.context import Context, UsageError
from k9lite.cli.output import FORMATS, TablePrinter, as_list, object_name, render, without_managed_fields
from k9lite.cli.parser import Switch
from k9lite.cli.selection import Selection
from k9lite.client.errors import ConnectionLost
from k9lite.client.rest import JSON, TABLE, KubeClient


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND[,KIND] [NAME...] | KIND/NAME")
    parser.add_argument("-A", "--all-namespaces", action=Switch, help="objects of every namespace")
    parser.add_argument("-o", "--output", default="", metavar="FORMAT", help="wide, yaml, json or name")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only objects with these labels")
    parser.add_argument("--field-selector", default="", metavar="FIELDS", help="only objects with these fields")
    parser.add_argument("-w", "--watch", action=Switch, help="go on and print every change")
    parser.add_argument("--watch-only", action=Switch, help="print changes only, not what there is")
    parser.add_argument("--output-watch-events", action=Switch, help="with -w: say ADDED, MODIFIED or DELETED")
    parser.add_argument("--no-headers", action=Switch, help="leave the header out")
    parser.add_argument("--show-labels", action=Switch, help="a last column with the labels")
    parser.add_argument("--ignore-not-found", action=Switch, help="an object that is not there is no failure")


async def run(context: Context, _: str) -> int:
    args = context.args
    if args.output not in FORMATS:
        formats = ", ".join(form for form in FORMATS if form)
        raise UsageError(f'unable to match a printer suitable for the output format "{args.output}": use {formats}')
    selection.check(args.resources, "get")
    async with context.client() as client:
        found = await selection.select(client, args.resources, "get")
        namespace = None if args.all_namespaces else context.namespace(client)
        if any(each.names for each in found):
            if args.selector or args.field_selector:
                raise UsageError("name cannot be provided when a selector is specified")
            if args.all_namespaces:
                raise UsageError("a resource cannot be retrieved by name across all namespaces")
        return await _Get(context, client, namespace).run(found)


class _Get:
    """One `get`: how to print, and the failures met on the way."""

    def __init__(self, context: Context, client: KubeClient, namespace: str | None) -> None:
        self._context = context
        self._args: Any = context.args
        self._client = client
        self._namespace = namespace
        self._failed = False

    async def run(self, found: list[Selection]) -> int:
        if self._args.watch or self._args.watch_only:
            return await self._watch(found)
        as_table = self._args.output in ("", "wide")
        answers = [(each, await self._fetch(each, TABLE if as_table else JSON)) for each in found]
        if as_table:
            self._print_tables(answers)
        else:
            self._print_objects(answers)
        return int(self._failed)

    async def _fetch(self, wanted: Selection, accept: str) -> list[Obj]:
        """Tables or objects; names that are not there are said at once."""
        resource = wanted.resource
        if not wanted.names:
            answer = await self._client.list(
                resource,
                self._namespace,
                label_selector=self._args.selector,
                field_selector=self._args.field_selector,
                accept=accept,
            )
            return [answer] if accept is TABLE else answer.get("items") or []
        fetched = []
        for name in wanted.names:
            try:
                fetched.append(await self._client.get(resource, self._namespace, name, accept=accept))
            except ApiError as error:
                if not (error.code == 404 and self._args.ignore_not_found):
                    self._context.say(f"Error: {error}")
                    self._failed = True
        return fetched

    def _printer(self, wanted: Selection, several: bool) -> TablePrinter:
        return TablePrinter(
            wanted.resource,
            wide=self._args.output == "wide",
            with_namespace=self._args.all_namespaces,
            with_kind=several,
            headers=not self._args.no_headers,
            show_labels=self._args.show_labels,
            with_event=self._args.output_watch_events,
        )

    def _print_tables(self, answers: list[tuple[Selection, list[Obj]]]) -> None:
        full = [(wanted, tables) for wanted, tables in answers if any(table.get("rows") for table in tables)]
        several = len(answers) > 1
        blocks = []
        for wanted, tables in full:
            merged = {**tables[0], "rows": [row for table in tables for row in table.get("rows") or []]}
            blocks.append(self._printer(wanted, several).text(merged))
        print("\n".join(blocks), end="")
        if not full and not self._failed and not self._args.ignore_not_found:
            scoped = self._namespace and any(wanted.resource.namespaced for wanted, _ in answers)
            self._context.say(f"No resources found in {self._namespace} namespace." if scoped else "No resources found")

    def _print_objects(self, answers: list[tuple[Selection, list[Obj]]]) -> None:
        if self._args.output == "name":
            for wanted, objs in answers:
                for obj in objs:
                    print(object_name(wanted.resource, obj))
            return
        objs = [without_managed_fields(obj) for _, listed in answers for obj in listed]
        single = len(answers) == 1 and len(answers[0][0].names) == 1
        if single and not objs:
            return
        print(render(objs[0] if single else as_list(objs), self._args.output), end="")

    # Watching ----------------------------------------------------------------------------------------
    async def _watch(self, found: list[Selection]) -> int:
        """What there is, then every change, until interrupted. A server that ends the stream is asked again."""
        if len(found) != 1 or len(found[0].names) > 1:
            raise UsageError("you may only specify a single resource type (or one object) with --watch")
        wanted = found[0]
        as_table = self._args.output in ("", "wide")
        fields = f"metadata.name={wanted.names[0]}" if wanted.names else self._args.field_selector
        printer = self._printer(wanted, several=False)
        listed = await self._client.list(
            wanted.resource,
            self._namespace,
            label_selector=self._args.selector,
            field_selector=fields,
            accept=TABLE if as_table else JSON,
        )
        if not self._args.watch_only:
            self._print_change(printer, wanted, "ADDED", listed)
        since = str(listed["metadata"]["resourceVersion"])
        while True:
            events = self._client.watch(
                wanted.resource,
                self._namespace,
                since=since,
                label_selector=self._args.selector,
                field_selector=fields,
                accept=TABLE if as_table else JSON,
            )
            try:
                async with aclosing(events) as source:  # type: ignore[type-var]
                    async for kind, obj in source:
                        since = _version(obj) or since
                        if kind != "BOOKMARK":
                            self._print_change(printer, wanted, kind, obj)
            except ConnectionLost as error:
                if "closed" not in str(error):
                    raise

    def _print_change(self, printer: TablePrinter, wanted: Selection, kind: str, obj: Obj) -> None:
        if self._args.output in ("", "wide"):
            print(printer.text(obj, kind), end="", flush=True)
            return
        for each in obj["items"] if str(obj.get("kind", "")).endswith("List") and "items" in obj else [obj]:
            if self._args.output == "name":
                print(object_name(wanted.resource, each), flush=True)
                continue
            text = render(without_managed_fields(each), self._args.output)
            print(("---\n" if self._args.output == "yaml" else "") + text, end="", flush=True)


def _version(obj: Obj) -> str:
    """The resourceVersion of an object, or of the object in a Table of one row."""
    for row in obj.get("rows") or []:
        obj = row.get("object") or obj
    return str((obj.get("metadata") or {}).get("resourceVersion") or "")
