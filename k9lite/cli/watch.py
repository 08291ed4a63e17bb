"""`k9lite watch`: on a terminal the app, read-only; elsewhere one line for each change, for as long as it is let.

A lost connection is said on stderr and mended by the informers. SIGTERM, SIGINT and a reader that goes away end it
with exit code 0.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Coroutine, Iterator

from k9lite.api.catalog import DEPLOYMENTS, NODES, PODS, SERVICES
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.cli.app import is_terminal
from k9lite.cli.context import Context
from k9lite.client.changes import Change, changes
from k9lite.client.informer import Informer, InformerState
from k9lite.client.rest import KubeClient
from k9lite.clock import rfc3339, rfc3339_micro

DEFAULT_KINDS = (NODES, DEPLOYMENTS, PODS, SERVICES)


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="default: nodes, deployments, pods, services")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="every namespace, as without -n")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only objects with these labels")
    parser.add_argument("-o", "--output", choices=["json"], default="", help="JSON lines, also on a terminal")


def run(context: Context, _: str) -> int | Coroutine[None, None, int]:
    """Show changes until told to end."""
    if is_terminal() and context.open_app is not None and not context.args.output:
        return context.open_app(context.app_request(read_only=True, kinds=tuple(context.args.kinds)))
    return print_changes(context)


async def print_changes(context: Context) -> int:
    """One line for each change of the kinds asked for."""
    async with context.client() as client:
        resources = await _resources(context, client)
        namespace = None if context.arg("all_namespaces") else context.arg("namespace")
        lines = ChangeLines(as_json=context.arg("output", "") == "json")
        informers = [lines.informer(client, resource, namespace, context.arg("selector", "")) for resource in resources]
        stop = asyncio.Event()
        tasks = [asyncio.create_task(informer.run(), name=f"watch {informer.resource.key}") for informer in informers]
        tasks.append(asyncio.create_task(_wait_for(stop), name="watch stop"))
        with _ended_by_signals(stop), _ended_by_closed_pipe(stop):
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
    return 0


async def _resources(context: Context, client: KubeClient) -> list[Resource]:
    from k9lite.client import discovery

    words = [word for given in context.arg("kinds", []) for word in given.split(",") if word]
    return [await discovery.find(client, word) for word in words] or list(DEFAULT_KINDS)


async def _wait_for(stop: asyncio.Event) -> None:
    await stop.wait()


@contextlib.contextmanager
def _ended_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _ended_by_closed_pipe(stop: asyncio.Event) -> Iterator[None]:
    """The write end of a pipe becomes `readable` when its reader goes, also while nothing is written."""
    fd = sys.stdout.fileno()
    loop = asyncio.get_running_loop()
    watched = stat.S_ISFIFO(os.fstat(fd).st_mode)
    if watched:
        loop.add_reader(fd, stop.set)
    try:
        yield
    finally:
        if watched:
            loop.remove_reader(fd)


class ChangeLines:
    """Turns informers' changes into lines on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lost = False

    def informer(self, client: KubeClient, resource: Resource, namespace: str | None, labels: str) -> Informer:
        """An informer that prints."""

        def changed(kind: str, obj: Obj, old: Obj | None) -> None:
            found = changes(old, obj) if kind != "DELETED" else []
            if found or kind != "MODIFIED":
                self._print(kind, resource, obj, found, new=informer.state.synced)

        informer = Informer(
            client,
            resource,
            namespace if resource.namespaced else None,
            on_change=changed,
            on_state=self._show_state,
            label_selector=labels,
        )
        return informer

    def _print(self, kind: str, resource: Resource, obj: Obj, found: list[Change], *, new: bool) -> None:
        now = time.time()
        if self._as_json:
            line = json.dumps(
                {
                    "time": rfc3339_micro(now),
                    "type": kind,
                    "kind": resource.kind,
                    "namespace": namespace_of(obj),
                    "name": name_of(obj),
                    "initial": kind == "ADDED" and not new,
                    "changes": [{"what": each.what, "old": each.old, "new": each.new} for each in found],
                }
            )
        else:
            place = f"{namespace_of(obj)}/{name_of(obj)}" if namespace_of(obj) else name_of(obj)
            words = ", ".join(map(str, found))
            if kind == "DELETED":
                words = "deleted"
            elif kind == "ADDED" and new and resource.kind != "Event":
                words = f"created: {words}" if words else "created"
            line = f"{rfc3339(now)} {resource.singular} {place} {words}".rstrip()
        print(line, flush=True)

    def _show_state(self, state: InformerState) -> None:
        """Say a loss once, and that it is over once, however many informers there are."""
        if state.error and not self._lost:
            self._lost = True
            print(f"{rfc3339(time.time())} connection lost: {state.error}; trying again", file=sys.stderr, flush=True)
        elif state.connected and self._lost:
            self._lost = False
            print(f"{rfc3339(time.time())} connected again", file=sys.stderr, flush=True)
