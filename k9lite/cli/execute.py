"""`k9lite exec` and `k9lite attach`: a program in a container, or the container's own, on our terminal."""

from __future__ import annotations

import argparse

from k9lite.api.objects import Obj, dig, name_of
from k9lite.cli import pods
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch, duration
from k9lite.client import remote_command, terminal
from k9lite.client.rest import KubeClient

FINISHED = ("Succeeded", "Failed")


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    parser.add_argument("target", nargs="*", metavar="POD | KIND/NAME")
    parser.add_argument("-c", "--container", default="", metavar="NAME", help="in this container")
    parser.add_argument("-i", "--stdin", action=Switch, help="pass our input on to the program")
    parser.add_argument("-t", "--tty", action=Switch, help="with a terminal")
    parser.add_argument("-q", "--quiet", action=Switch, help="print the program's output only")
    parser.add_argument("--pod-running-timeout", default="1m", metavar="TIME", help="wait so long for the pod to run")


async def run(context: Context, command: str) -> int:
    args = context.args
    _check(command, args.target, context.command)
    async with context.client() as client:
        namespace = context.namespace(client)
        wait = duration(args.pod_running_timeout, "--pod-running-timeout")
        found = (
            await pods.behind(client, namespace, args.target[0], f"{command} in" if command == "exec" else command)
        )[0]
        pod = await pods.started(client, namespace, found, wait)
        if (phase := dig(pod, "status", "phase")) in FINISHED:
            what = "exec into" if command == "exec" else "attach to"
            raise CommandError(f"cannot {what} a container in a completed pod; current phase is {phase}")
        code = await (_exec if command == "exec" else _attach)(context, client, namespace, pod)
    if code and not args.quiet:
        context.say(f"command terminated with exit code {code}")
    return code


def _check(command: str, target: list[str], words: list[str]) -> None:
    if command == "attach":
        if len(target) != 1 or words:
            raise UsageError(
                "expected 'attach (POD | TYPE/NAME) [-c CONTAINER] [-it]': one POD or TYPE/NAME is required"
            )
        return
    if not target:
        raise UsageError("pod, type/name must be specified")
    if len(target) > 1:
        raise UsageError(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead: "
            f"exec {target[0]} -- {' '.join(target[1:])}"
        )
    if not words:
        raise UsageError("you must specify at least one command for the container: exec POD -- COMMAND [ARGS]")


async def _exec(context: Context, client: KubeClient, namespace: str, pod: Obj) -> int:
    args = context.args
    container = pods.container_of(context, pod, args.container)
    tty = _wants_terminal(context)
    running = remote_command.run(
        client, namespace, name_of(pod), context.command, container=container, stdin=args.stdin, tty=tty
    )
    async with running as program:
        _warn_of_endless_input(context, program, tty)
        return await terminal.join(program, stdin=args.stdin, tty=tty)


async def _attach(context: Context, client: KubeClient, namespace: str, pod: Obj) -> int:
    args = context.args
    container = pods.container_of(context, pod, args.container)
    declared = next(
        each for key in ("initContainers", "containers") for each in dig(pod, "spec", key, default=[])
        if each["name"] == container
    )  # fmt: skip
    tty = _wants_terminal(context)
    if tty and not declared.get("tty"):
        tty = False
        context.say(f"error: Unable to use a TTY - container {container} did not allocate one")
    if args.stdin and not declared.get("stdin"):
        raise CommandError(
            f"container {container} takes no input: its spec does not say `stdin: true`; attach without -i, "
            "or exec into it"
        )
    attached = remote_command.attach(client, namespace, name_of(pod), container=container, stdin=args.stdin, tty=tty)
    async with attached as program:
        _warn_of_endless_input(context, program, tty)
        if args.stdin and tty and not args.quiet:
            context.say("If you don't see a command prompt, try pressing enter.")
        return await terminal.join(program, stdin=args.stdin, tty=tty)


def _wants_terminal(context: Context) -> bool:
    args = context.args
    if args.tty and args.stdin and not terminal.is_terminal():
        context.say("Unable to use a TTY - input is not a terminal or the right kind of file")
        return False
    return bool(args.tty)


def _warn_of_endless_input(context: Context, program: remote_command.Program, tty: bool) -> None:
    if context.args.stdin and not tty and not program.can_end_input:
        context.say("warning: this server cannot be told when the input ends; a program that waits for it will not end")
