"""`k9lite wait`: until objects have a condition, a value, exist, or are gone."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from contextlib import aclosing

from k9lite.api.errors import ApiError, not_found
from k9lite.api.objects import Obj, condition_of, dig, name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch, duration
from k9lite.client import jsonpath
from k9lite.client.errors import ConnectionLost
from k9lite.client.rest import KubeClient

Check = Callable[[Obj | None], bool]
"""Whether an object (None: there is none) is as wanted."""


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND NAME... | KIND/NAME")
    parser.add_argument(
        "--for", dest="what", required=True, metavar="WHAT",
        help="condition=NAME[=VALUE], jsonpath='{.path}'[=VALUE], create, or delete",
    )  # fmt: skip
    parser.add_argument("--timeout", default="30s", metavar="TIME", help="longest wait (30s; 0s: look once)")
    parser.add_argument("--all", action=Switch, help="every object of the kind")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="objects with these labels")
    parser.add_argument("-o", "--output", choices=["name"], default="", help="print names only")


def check_of(what: str) -> Check:
    """What --for asks. Raises UsageError."""
    word, _, rest = what.partition("=")
    lowered = word.lower()
    if lowered == "delete" and not rest:
        return lambda obj: obj is None
    if lowered == "create" and not rest:
        return lambda obj: obj is not None
    if lowered == "condition" and rest:
        name, _, value = rest.partition("=")
        return lambda obj: obj is not None and _has_condition(obj, name, value or "true")
    if lowered == "jsonpath" and rest:
        return _has_value(rest)
    raise UsageError(f'unrecognized condition: "{what}": use condition=NAME, jsonpath=PATH=VALUE, create or delete')


def _has_condition(obj: Obj, name: str, value: str) -> bool:
    """A condition of an older generation of the object does not count."""
    conditions = dig(obj, "status", "conditions", default=[])
    found = condition_of(obj, name) or next(
        (each for each in conditions if str(each.get("type", "")).lower() == name.lower()), None
    )
    if found is None or str(found.get("status", "")).lower() != value.lower():
        return False
    observed = found.get("observedGeneration") or dig(obj, "status", "observedGeneration")
    generation = dig(obj, "metadata", "generation")
    return not (observed and generation and int(observed) < int(generation))


def _has_value(text: str) -> Check:
    if text.startswith("{"):
        path, closed, value = text.partition("}")
    else:
        path, value, closed = *text.partition("=")[::2], ""
        value = f"={value}" if "=" in text else ""
    wanted = value.removeprefix("=").strip("'\"") if value.startswith("=") else None
    try:
        steps = jsonpath.parse(path + closed)
    except jsonpath.JsonPathError as error:
        raise UsageError(f"jsonpath {error}") from error

    def check(obj: Obj | None) -> bool:
        found = jsonpath.values(obj, steps) if obj is not None else []
        return bool(found) and (wanted is None or all(jsonpath.text_of(each) == wanted for each in found))

    return check


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "wait for")
    check, seconds = check_of(args.what), duration(args.timeout)
    failed = False
    async with context.client() as client:
        loop = asyncio.get_running_loop()
        end = loop.time() + (seconds or 0.0)
        for resource, namespace, name, uid in await _targets(context, client):
            try:
                async with asyncio.timeout_at(max(end, loop.time() + 0.05) if seconds else None):
                    met = await _wait(client, resource, namespace, name, uid, check, once=not seconds)
            except TimeoutError:
                met = False
            if met:
                remark = "" if args.output == "name" else " condition met"
                print(f"{selection.qualified(resource, name)}{remark}", flush=True)
            else:
                context.say(f"Error: timed out waiting for the condition on {resource.plural}/{name}")
                failed = True
    return int(failed)


async def _targets(context: Context, client: KubeClient) -> list[tuple[Resource, str | None, str, str]]:
    """(resource, namespace, name, uid) of all that is waited for. Raises ApiError for what is not there."""
    args, place = context.args, context.namespace(client)
    what = args.what.lower()
    if what in ("create", "delete") and not (args.all or args.selector):
        found = []
        for wanted in await selection.select(client, args.resources, "wait for"):
            if not wanted.names:
                raise UsageError("resource(s) were provided, but no name was specified")
            namespace = place if wanted.resource.namespaced else None
            for name in wanted.names:
                uid = await _uid(client, wanted.resource, namespace, name) if what == "delete" else ""
                if uid is not None:
                    found.append((wanted.resource, namespace, name, uid))
        return found
    objs = await selection.objects(client, args.resources, place, "wait for", selector=args.selector, every=args.all)
    if not objs and what != "delete":
        raise CommandError("no matching resources found")
    return [(resource, namespace_of(obj) or None, name_of(obj), uid_of(obj)) for resource, obj in objs]


async def _uid(client: KubeClient, resource: Resource, namespace: str | None, name: str) -> str | None:
    """None where there is no such object."""
    try:
        return uid_of(await client.get(resource, namespace, name))
    except ApiError as error:
        if error.code == 404:
            return None
        raise


async def _wait(
    client: KubeClient, resource: Resource, namespace: str | None, name: str, uid: str, check: Check, *, once: bool
) -> bool:
    """Look, then follow the object's changes, over lost streams. With a uid another object of the name is none."""
    while True:
        listed = await client.list(resource, namespace, field_selector=f"metadata.name={name}")
        obj = next((each for each in listed["items"] if not uid or uid_of(each) == uid), None)
        if check(obj) or once:
            return check(obj)
        events = client.watch(
            resource,
            namespace,
            since=listed["metadata"]["resourceVersion"],
            field_selector=f"metadata.name={name}",
        )
        try:
            async with aclosing(events) as source:  # type: ignore[type-var]
                async for kind, changed in source:
                    if kind == "BOOKMARK":
                        continue
                    gone = kind == "DELETED" or (uid and uid_of(changed) != uid)
                    if check(None if gone else changed):
                        return True
                    if gone:
                        raise not_found(resource.key, name)
        except ApiError as error:
            if error.code != 410:
                raise
        except ConnectionLost:
            await asyncio.sleep(0.5)
