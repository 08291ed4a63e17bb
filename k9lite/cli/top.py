"""`k9lite top`: what pods and nodes use, in kubectl's columns. Source: k8s.io/kubectl/pkg/metricsutil."""

from __future__ import annotations

import argparse
import math

from k9lite.api.catalog import NODES
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.api.quantity import parse
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import metrics
from k9lite.client.columns import elastic
from k9lite.client.metrics import MetricsUnavailable, Usage
from k9lite.client.rest import KubeClient

PODS, NODE_WORDS = ("pods", "pod", "po"), ("nodes", "node", "no")


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("kind", nargs="?", default="pods", metavar="pods|nodes")
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    parser.add_argument("-A", "--all-namespaces", action=Switch, help="pods of all namespaces")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only pods with these labels")
    parser.add_argument("--containers", action=Switch, help="a line for each container")
    parser.add_argument("--sort-by", choices=["cpu", "memory"], help="the most first")
    parser.add_argument("--no-headers", action=Switch, help="leave the first line out")


async def run(context: Context, _: str) -> int:
    args = context.args
    if args.kind not in (*PODS, *NODE_WORDS):
        raise UsageError(f"top shows pods or nodes, not {args.kind!r}")
    async with context.client() as client:
        try:
            rows = await (_pods(context, client) if args.kind in PODS else _nodes(context, client))
        except MetricsUnavailable as error:
            raise CommandError(f"there are no figures: {error}") from error
    if args.name and len(rows) == 1:
        raise CommandError(f'no figures for {args.kind} "{args.name}": it is not there, does not run, or just started')
    if len(rows) == 1:
        context.say("No resources found; a pod has figures some seconds after its start")
        return 0
    print("\n".join(elastic(rows[1:] if args.no_headers else rows, min_width=6, padding=3)))
    return 0


async def _pods(context: Context, client: KubeClient) -> list[list[str]]:
    args = context.args
    found = await metrics.pod_metrics(client, None if args.all_namespaces else context.namespace(client), args.selector)
    lines: list[tuple[list[str], Usage]] = []
    for obj in found:
        if args.name in ("", name_of(obj)):
            head = [namespace_of(obj)] if args.all_namespaces else []
            lines += _lines([*head, name_of(obj)], obj, each_container=args.containers)
    header = [*(["NAMESPACE"] if args.all_namespaces else []), *(["POD", "NAME"] if args.containers else ["NAME"])]
    return [[*header, "CPU(cores)", "MEMORY(bytes)"], *_sorted(context, lines)]


def _lines(head: list[str], obj: Obj, *, each_container: bool) -> list[tuple[list[str], Usage]]:
    if not each_container:
        return [(head, metrics.total(obj))]
    return [([*head, str(each["name"])], metrics.usage_of(each)) for each in obj.get("containers") or []]


async def _nodes(context: Context, client: KubeClient) -> list[list[str]]:
    nodes = {name_of(node): node for node in (await client.list(NODES))["items"]}
    used = await metrics.node_usage(client)
    lines = [([name], usage) for name, usage in used.items() if context.args.name in ("", name)]
    rows = [["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]]
    for name, cpu, memory in _sorted(context, lines):
        usage, node = used[name], nodes.get(name, {})
        rows.append([name, cpu, _percent(usage.cores, node, "cpu"), memory, _percent(usage.memory, node, "memory")])
    return rows


def _percent(used: float, node: Obj, resource: str) -> str:
    allocatable = float(parse(str(dig(node, "status", "allocatable", resource, default="0"))))
    return f"{int(used * 100 / allocatable)}%" if allocatable else "<unknown>"


def _sorted(context: Context, lines: list[tuple[list[str], Usage]]) -> list[list[str]]:
    by = {"cpu": lambda line: -line[1].cores, "memory": lambda line: -line[1].memory}.get(context.args.sort_by)
    ordered = sorted(lines, key=by or (lambda line: line[0]))
    return [[*cells, f"{math.ceil(usage.cores * 1000)}m", f"{usage.memory >> 20}Mi"] for cells, usage in ordered]
