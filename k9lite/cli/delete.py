"""`k9lite delete`: by name, by label, all of a kind, or what files hold; waits until the objects are gone."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from k9lite.api.catalog import NAMESPACES
from k9lite.api.errors import ApiError
from k9lite.api.objects import name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.manifests import add_file_flags, load, place
from k9lite.cli.parser import Switch, duration
from k9lite.client import actions, discovery
from k9lite.client.errors import ConnectionLost
from k9lite.client.rest import KubeClient

CASCADES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
FORCED = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND NAME... | KIND/NAME")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="objects with these labels")
    parser.add_argument("--field-selector", default="", metavar="FIELDS", help="objects with these fields")
    parser.add_argument("--all", action=Switch, help="all objects of the kind in the namespace")
    parser.add_argument("-A", "--all-namespaces", action=Switch, help="with -l or --all: of every namespace")
    parser.add_argument("--grace-period", type=int, default=-1, metavar="SECONDS", help="time that pods get to end")
    parser.add_argument("--now", action=Switch, help="the same as --grace-period=1")
    parser.add_argument("--force", action=Switch, help="at once, without a grace period")
    parser.add_argument("--wait", action=Switch, default=True, help="until they are gone (--wait=false: do not)")
    parser.add_argument("--timeout", default="0s", metavar="TIME", help="longest wait, such as 30s or 2m (0s: forever)")
    parser.add_argument(
        "--cascade", choices=sorted(CASCADES), default="background", help="what happens to what it owns"
    )
    parser.add_argument("--ignore-not-found", action=Switch, help="what is not there is no failure")
    parser.add_argument("-o", "--output", choices=["name"], default="", help="print names only")
    add_file_flags(parser)


@dataclass(frozen=True, slots=True)
class Target:
    """One object to delete."""

    resource: Resource
    namespace: str | None
    name: str
    uid: str = ""


async def run(context: Context, _: str) -> int:
    args = context.args
    _check(args)
    seconds = duration(args.timeout)
    if args.force:
        context.say(FORCED)
    async with context.client() as client:
        deleter = _Deleter(context, client)
        targets = await (deleter.from_files() if args.filename else deleter.from_words())
        gone = [made for target in targets if (made := await deleter.delete(target)) is not None]
        if not targets and not deleter.failed:
            print("No resources found")
        if args.wait and gone:
            await _wait(client, gone, seconds)
    return int(deleter.failed)


def _check(args: argparse.Namespace) -> None:
    """Raises UsageError for what cannot be meant."""
    if args.filename:
        if args.resources:
            raise UsageError("when paths or stdin is provided as input, you may not specify resource arguments as well")
        return
    selection.check(args.resources, "delete")
    named = len(args.resources) > 1 or "/" in args.resources[0]
    selects = args.selector or args.field_selector or args.all
    if args.all and args.selector:
        raise UsageError("setting 'all' parameter but found a non empty selector")
    if named and selects:
        raise UsageError("name cannot be provided when a selector is specified")
    if not named and not selects:
        raise UsageError("resource(s) were provided, but no name was specified")
    if args.force and args.grace_period > 0:
        raise UsageError("--force and --grace-period greater than 0 cannot be specified together")


class _Deleter:
    """Finds and deletes; `failed` once something could not be."""

    def __init__(self, context: Context, client: KubeClient) -> None:
        self._context = context
        self._client = client
        self.failed = False
        self._namespaces: set[str | None] = set()
        """Deleted by this command: that what was in them is gone as well is no failure."""

    async def from_words(self) -> list[Target]:
        args, found = self._context.args, []
        for wanted in await selection.select(self._client, args.resources, "delete"):
            resource = wanted.resource
            namespace = self._context.namespace(self._client) if resource.namespaced else None
            if wanted.names:
                found += [Target(resource, namespace, name) for name in wanted.names]
                continue
            listed = await self._client.list(
                resource,
                None if args.all_namespaces else namespace,
                label_selector=args.selector,
                field_selector=args.field_selector,
            )
            found += [Target(resource, namespace_of(obj) or None, name_of(obj)) for obj in listed["items"]]
        return found

    async def from_files(self) -> list[Target]:
        found = []
        for document in load(self._context):
            try:
                resource = await discovery.find_kind(self._client, document.obj["apiVersion"], document.obj["kind"])
                namespace = place(self._context, self._client, resource, document)
            except (discovery.UnknownResource, CommandError) as error:
                self._fail(f"{document.where}: {error}")
                continue
            found.append(Target(resource, namespace, name_of(document.obj)))
        return found

    async def delete(self, target: Target) -> Target | None:
        """Delete one; the target with its uid, None if it could not be."""
        args, resource = self._context.args, target.resource
        try:
            answer = await actions.delete(
                self._client,
                resource,
                target.namespace,
                target.name,
                grace_seconds=self._grace(),
                propagation=CASCADES[args.cascade],
            )
        except ApiError as error:
            if error.code != 404 or not (args.ignore_not_found or target.namespace in self._namespaces):
                self._fail(str(error))
            return None
        if resource is NAMESPACES:
            self._namespaces.add(target.name)
        if args.output == "name":
            print(selection.qualified(resource, target.name), flush=True)
        else:
            word = "force deleted" if args.force else "deleted"
            print(f'{selection.kind_word(resource)} "{target.name}" {word}', flush=True)
        uid = uid_of(answer) or str((answer.get("details") or {}).get("uid") or "")
        return Target(resource, target.namespace, target.name, uid)

    def _grace(self) -> int | None:
        args = self._context.args
        if args.force:
            return 0
        if args.now or args.grace_period == 0:
            return 1  # kubectl's guard against data loss: only --force means at once
        return args.grace_period if args.grace_period > 0 else None

    def _fail(self, text: str) -> None:
        self._context.say(f"Error: {text}")
        self.failed = True


async def _wait(client: KubeClient, gone: list[Target], seconds: float | None) -> None:
    """Until none of them is there any more. Raises CommandError after `seconds`."""
    groups: dict[tuple[str, str | None], list[Target]] = {}
    for target in gone:
        groups.setdefault((target.resource.key, target.namespace), []).append(target)
    waits = asyncio.gather(*(_wait_group(client, group) for group in groups.values()))
    try:
        await asyncio.wait_for(waits, seconds)
    except TimeoutError as error:
        first = gone[0]
        raise CommandError(
            f"timed out waiting for the condition on {first.resource.plural}/{first.name}; it is still being deleted"
        ) from error


async def _wait_group(client: KubeClient, group: list[Target]) -> None:
    """One resource in one namespace: list what is left, then watch it go."""
    resource, namespace = group[0].resource, group[0].namespace
    uids = {target.uid for target in group if target.uid}
    names = {target.name for target in group if not target.uid}
    fields = f"metadata.name={group[0].name}" if len(group) == 1 else ""
    while True:
        listed = await client.list(resource, namespace, field_selector=fields)
        left = {uid_of(obj) for obj in listed["items"] if uid_of(obj) in uids or name_of(obj) in names}
        if not left:
            return
        since = listed["metadata"]["resourceVersion"]
        try:
            async with aclosing(client.watch(resource, namespace, since=since, field_selector=fields)) as events:  # type: ignore[type-var]
                async for kind, obj in events:
                    if kind == "DELETED":
                        left.discard(uid_of(obj))
                    if not left:
                        return
        except ConnectionLost:
            await asyncio.sleep(0.5)  # the list says whether the server is really away
        except ApiError as error:
            if error.code != 410:
                raise
