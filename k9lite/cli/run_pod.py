"""`k9lite run`: one pod from an image."""

from __future__ import annotations

import argparse

from k9lite.api.catalog import PODS
from k9lite.api.objects import Obj
from k9lite.cli.context import Context, UsageError
from k9lite.cli.output import add_output_flags, report
from k9lite.cli.parser import Switch
from k9lite.client.actions import HOST_IMAGE


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--image", default="", help="image; `host` runs a program of this machine")
    parser.add_argument("--port", type=int, metavar="PORT", help="port that the container listens on")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable; may be repeated")
    parser.add_argument("-l", "--labels", default="", metavar="A=B,C=D", help="labels instead of run=NAME")
    parser.add_argument("--annotations", action="append", default=[], metavar="A=B", help="an annotation")
    parser.add_argument("--restart", choices=["Always", "OnFailure", "Never"], default="Always", help="after it ended")
    parser.add_argument("--image-pull-policy", choices=["Always", "IfNotPresent", "Never"], default="")
    parser.add_argument("--runtime-class", default="", metavar="NAME", help="engine: docker or process")
    parser.add_argument("--command", action=Switch, help="what follows -- is the command, not its arguments")
    add_output_flags(parser, client_dry_run=True)
    parser.epilog = "What follows -- are arguments of the image's own program; of `host` they are the command."


async def run(context: Context, _: str) -> int:
    args = context.args
    if not args.image:
        raise UsageError("--image is required")
    if args.image == HOST_IMAGE and not context.command:
        raise UsageError(f"--image={HOST_IMAGE} runs a program of this machine: put it after --")
    pod = pod_object(args, context.command)
    if args.dry_run == "client":
        report(args, PODS, pod, "created")
        return 0
    async with context.client() as client:
        made = await client.create(PODS, context.namespace(client), pod, dry_run=args.dry_run == "server")
    report(args, PODS, made, "created")
    return 0


def pod_object(args: argparse.Namespace, command: list[str]) -> Obj:
    """The Pod as kubectl's run makes it. Raises UsageError."""
    container: Obj = {"name": args.name, "image": args.image, "resources": {}}
    if command:
        container["command" if args.command or args.image == HOST_IMAGE else "args"] = command
    if args.port is not None:
        container["ports"] = [{"containerPort": args.port}]
    if args.env:
        container["env"] = [{"name": name, "value": value} for name, value in pairs(args.env, "env").items()]
    if args.image_pull_policy:
        container["imagePullPolicy"] = args.image_pull_policy
    labels = pairs(args.labels.split(","), "labels") if args.labels else {"run": args.name}
    metadata: Obj = {"name": args.name, "labels": labels}
    if args.annotations:
        metadata["annotations"] = pairs(args.annotations, "annotations")
    spec: Obj = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": args.restart}
    if args.runtime_class:
        spec["runtimeClassName"] = args.runtime_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}


def pairs(words: list[str], flag: str) -> dict[str, str]:
    """Raises UsageError for what is not NAME=VALUE."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f'invalid argument "{word}" for "--{flag}": must be NAME=VALUE')
        found[name] = value
    return found
