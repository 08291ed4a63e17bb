"""Printing objects as kubectl does: tables with its columns and widths, YAML, JSON, names."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from k9lite.api.objects import Obj, copy_of, labels_of, name_of, namespace_of
from k9lite.api.printing import labels_text
from k9lite.api.resources import Resource
from k9lite.cli.selection import qualified

FORMATS = ("", "wide", "yaml", "json", "name")


def without_managed_fields(obj: Obj) -> Obj:
    """kubectl hides metadata.managedFields."""
    if "managedFields" not in (obj.get("metadata") or {}):
        return obj
    shown = copy_of(obj)
    del shown["metadata"]["managedFields"]
    return shown


def as_list(objs: Iterable[Obj]) -> Obj:
    """What kubectl prints for more than one object."""
    return {"apiVersion": "v1", "items": list(objs), "kind": "List", "metadata": {"resourceVersion": ""}}


def render(value: Any, form: str) -> str:
    """`json` or `yaml` text, keys sorted, with a newline at the end."""
    if form == "json":
        return json.dumps(value, indent=4, ensure_ascii=False, sort_keys=True) + "\n"
    from k9lite.client.yamlio import dump

    return dump(value)


def cell_text(value: Any) -> str:
    """A cell in one line: what comes after a line break is left out, as kubectl does."""
    if value is None:
        return "<none>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for index, letter in enumerate(text):
        if letter in "\f\n\r\v":
            return text[:index] + "..."
    return text


class TablePrinter:
    """Prints Tables of one resource, more than one after the other: widths are kept, the header comes once."""

    def __init__(
        self,
        resource: Resource,
        *,
        wide: bool = False,
        with_namespace: bool = False,
        with_kind: bool = False,
        headers: bool = True,
        show_labels: bool = False,
        with_event: bool = False,
    ) -> None:
        self._resource = resource
        self._wide = wide
        self._with_namespace = with_namespace and resource.namespaced
        self._with_kind = with_kind
        self._headers = headers
        self._show_labels = show_labels
        self._with_event = with_event
        self._columns: list[int] = []
        self._header: list[str] = []
        self._widths: list[int] = []

    def text(self, table: Obj, event: str = "") -> str:
        """The rows of a Table as lines; the first call starts with the header."""
        if not self._columns:
            self._take_columns(table.get("columnDefinitions") or [])
        lines = [self._cells(row, event) for row in table.get("rows") or []]
        if self._headers and lines:
            lines.insert(0, self._header)
            self._headers = False
        return "".join(line + "\n" for line in self._aligned(lines))

    def _take_columns(self, definitions: Sequence[Obj]) -> None:
        shown = [
            (index, str(each["name"]).upper())
            for index, each in enumerate(definitions)
            if self._wide or not each.get("priority")
        ]
        self._columns = [index for index, _ in shown]
        self._header = [
            *(["EVENT"] if self._with_event else []),
            *(["NAMESPACE"] if self._with_namespace else []),
            *(name for _, name in shown),
            *(["LABELS"] if self._show_labels else []),
        ]

    def _cells(self, row: Obj, event: str) -> list[str]:
        obj = row.get("object") or {}
        cells = [cell_text(row["cells"][index]) for index in self._columns]
        if self._with_kind and cells:
            cells[0] = qualified(self._resource, cells[0])
        if self._with_namespace:
            cells.insert(0, namespace_of(obj))
        if self._with_event:
            cells.insert(0, event)
        if self._show_labels:
            cells.append(labels_text(labels_of(obj)))
        return cells

    def _aligned(self, lines: list[list[str]]) -> list[str]:
        """Go's tabwriter with minimal width 6, padding 3 and remembered widths, as k8s.io/cli-runtime sets it."""
        count = max((len(line) for line in lines), default=0)
        self._widths += [6] * (count - 1 - len(self._widths))
        for line in lines:
            for index, cell in enumerate(line[:-1]):
                self._widths[index] = max(self._widths[index], len(cell) + 3)
        return [
            "".join([*(cell.ljust(self._widths[index]) for index, cell in enumerate(line[:-1])), line[-1]])
            for line in lines
            if line
        ]


def add_output_flags(parser: argparse.ArgumentParser, *, client_dry_run: bool = False) -> None:
    """-o and --dry-run of commands that change something."""
    choices = ["none", "server", *(["client"] if client_dry_run else [])]
    parser.add_argument("-o", "--output", choices=["name", "yaml", "json"], default="", help="print the object")
    parser.add_argument("--dry-run", choices=choices, default="none", help="only check, or show")


def report(args: argparse.Namespace, resource: Resource, obj: Obj, word: str) -> None:
    """Say what was done to an object, or print it, as -o and --dry-run ask."""
    if args.output in ("yaml", "json"):
        print(render(without_managed_fields(obj), args.output), end="", flush=True)
        return
    remark = {"server": " (server dry run)", "client": " (dry run)"}.get(args.dry_run, "")
    name = qualified(resource, name_of(obj))
    print(name if args.output == "name" else f"{name} {word}{remark}", flush=True)


def object_name(resource: Resource, obj: Obj) -> str:
    """The line of -o name."""
    return qualified(resource, name_of(obj))
