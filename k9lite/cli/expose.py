"""`k9lite expose`."""

from __future__ import annotations

import argparse

from k9lite.api.objects import name_of
from k9lite.cli import selection
from k9lite.cli.context import Context, UsageError
from k9lite.client import actions


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND NAME | KIND/NAME")
    parser.add_argument("--port", type=int, metavar="PORT", help="port of the service; default: the container's")
    parser.add_argument("--target-port", default="", metavar="PORT", help="port (or its name) of the container")
    parser.add_argument("--node-port", type=int, metavar="PORT", help="fixed NodePort, 30000-32767")
    parser.add_argument("--type", default="ClusterIP", metavar="TYPE", help="ClusterIP, NodePort or LoadBalancer")
    parser.add_argument("--name", default="", metavar="NAME", help="name of the service; default: the object's")
    parser.add_argument("--protocol", default="", metavar="NAME", help="TCP or UDP")


async def run(context: Context, _: str) -> int:
    args = context.args
    selection.check(args.resources, "expose")
    types = {name.lower(): name for name in actions.SERVICE_TYPES}
    if args.type.lower() not in types:
        raise UsageError(f'invalid service type "{args.type}": use {", ".join(actions.SERVICE_TYPES)}')
    target = args.target_port
    async with context.client() as client:
        resource, name = await selection.one(client, args.resources, "expose")
        made = await actions.expose(
            client,
            resource,
            context.namespace(client),
            name,
            service_name=args.name,
            service_type=types[args.type.lower()],
            port=args.port,
            target_port=int(target) if target.isdigit() else target or None,
            node_port=args.node_port,
            protocol=args.protocol.upper(),
        )
    print(f"service/{name_of(made)} exposed")
    return 0
