"""`k9lite api-resources`, `api-versions` and `cluster-info`: what the server is and has."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from k9lite.api.catalog import SERVICES
from k9lite.api.objects import dig, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.cli.context import Context
from k9lite.cli.parser import Switch
from k9lite.client import discovery
from k9lite.client.columns import elastic
from k9lite.client.rest import KubeClient


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    if name != "api-resources":
        return
    parser.add_argument("--api-group", metavar="GROUP", help="only kinds of this group")
    parser.add_argument("--namespaced", choices=["true", "false"], help="only kinds that are, or are not, namespaced")
    parser.add_argument("--verbs", default="", metavar="A,B", help="only kinds with these verbs")
    parser.add_argument("--categories", default="", metavar="A,B", help="only kinds of these categories, such as all")
    parser.add_argument("--sort-by", choices=["", "name", "kind"], default="", help="by name or kind, not by group")
    parser.add_argument("-o", "--output", choices=["wide", "name"], default="", help="more columns, or names only")
    parser.add_argument("--no-headers", action=Switch, help="leave the header out")


async def run(context: Context, name: str) -> int:
    commands = {"api-resources": _resources, "api-versions": _versions, "cluster-info": _cluster_info}
    async with context.client() as client:
        await commands[name](context, client)
    return 0


async def _resources(context: Context, client: KubeClient) -> None:
    args = context.args
    found = _preferred(await discovery.served(client))
    shown = [each for each in found if _is_wanted(args, each)]
    keys = {"": lambda each: (each.group, each.plural), "name": lambda each: (each.plural, each.group),
            "kind": lambda each: (each.kind, each.group)}  # fmt: skip
    shown.sort(key=keys[args.sort_by])
    if args.output == "name":
        print("".join(f"{each.plural}.{each.group}".rstrip(".") + "\n" for each in shown), end="")
        return
    more = ["VERBS", "CATEGORIES"] if args.output == "wide" else []
    header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", *more]
    rows = [_row(each, wide=args.output == "wide") for each in shown]
    lines = rows if args.no_headers else [header, *rows]
    print("".join(line + "\n" for line in elastic(lines, min_width=6, padding=3)), end="")


def _preferred(found: Sequence[Resource]) -> list[Resource]:
    """Each kind in the version that the server prefers, which comes first."""
    by_name: dict[tuple[str, str], Resource] = {}
    for resource in found:
        by_name.setdefault((resource.group, resource.plural), resource)
    return list(by_name.values())


def _is_wanted(args: argparse.Namespace, resource: Resource) -> bool:
    wanted = {word for word in args.verbs.split(",") if word}
    categories = {word for word in args.categories.split(",") if word}
    return (
        (args.api_group is None or resource.group == args.api_group)
        and (args.namespaced is None or resource.namespaced == (args.namespaced == "true"))
        and wanted <= set(resource.verbs)
        and categories <= set(resource.categories)
    )


def _row(resource: Resource, *, wide: bool) -> list[str]:
    cells = [
        resource.plural,
        ",".join(resource.short_names),
        resource.api_version,
        str(resource.namespaced).lower(),
        resource.kind,
    ]
    return [*cells, ",".join(resource.verbs), ",".join(resource.categories)] if wide else cells


async def _versions(_: Context, client: KubeClient) -> None:
    listed = await client.request("GET", "/apis")
    groups = [
        str(version["groupVersion"]) for group in listed.get("groups") or [] for version in group.get("versions") or []
    ]
    core = await client.request("GET", "/api")
    print("\n".join(sorted([*groups, *(str(each) for each in core.get("versions") or [])])))


async def _cluster_info(_: Context, client: KubeClient) -> None:
    print(f"Kubernetes control plane is running at {client.server}")
    listed = await client.list(SERVICES, "kube-system", label_selector="kubernetes.io/cluster-service=true")
    for service in listed["items"]:
        place = f"{client.server}/api/v1/namespaces/{namespace_of(service)}/{SERVICES.plural}"
        name = dig(service, "metadata", "labels", "kubernetes.io/name", default=name_of(service))
        print(f"{name} is running at {place}/{name_of(service)}/proxy")
