"""The command line: which commands there are, the flags all of them take, and how arguments are read.

Only the parser of the command at hand is built, and only its module is imported: `k9lite version` stays instant.
Flags may stand before and after the command and among its arguments, as kubectl's may.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from k9lite import __version__
from k9lite.cli.context import UsageError
from k9lite.settings import Settings, SettingsError, load

SETTING_FLAGS = ("home", "data_dir", "engine", "api_port")


@dataclass(frozen=True, slots=True)
class Command:
    """A command's one line of help, and the module that does it."""

    help: str
    module: str = ""


GROUPS: dict[str, dict[str, Command]] = {
    "Look": {
        "get": Command("List objects: get pods|deploy|svc... [-o wide|yaml|json|name] [-l app=x] [-A] [-w]", "get"),
        "describe": Command("Show one object in detail, with its events", "describe"),
        "logs": Command("Print what a container wrote: logs POD|deploy/NAME [-f] [--tail=N] [--previous]", "logs"),
        "top": Command("Show what pods and nodes use: top pods|nodes [-A] [-l app=x] [--sort-by=cpu|memory]", "top"),
        "exec": Command("Run a program in a container: exec [-it] POD|deploy/NAME [-c NAME] -- COMMAND", "execute"),
        "attach": Command("See what a container's own program writes: attach POD [-it]", "execute"),
        "port-forward": Command("Reach a pod's ports: port-forward POD|svc/NAME [LOCAL:]REMOTE...", "port_forward"),
        "cp": Command("Copy files: cp FILE POD:PATH, cp POD:PATH FILE", "cp"),
        "watch": Command("Show every change as it happens: watch [KIND...] [-o json]", "watch"),
        "wait": Command("Wait for a condition: wait --for=condition=Ready pod/NAME [--timeout=30s]", "wait"),
        "explain": Command("Say what fields a kind has: explain pod.spec.containers [--recursive]", "explain"),
        "api-resources": Command("List the kinds that the server has", "api"),
        "api-versions": Command("List the API versions that the server has", "api"),
        "cluster-info": Command("Say where the API server is", "api"),
        "config": Command("Contexts of the kubeconfig: config get-contexts|current-context|use-context", "config"),
    },
    "Change": {
        "create": Command("Create a deployment, a namespace, or what files hold (-f)", "create"),
        "apply": Command("Create or change objects to what files say: apply -f FILE|DIRECTORY|-", "apply"),
        "scale": Command("Set the number of replicas: scale deployment NAME --replicas=N", "scale"),
        "expose": Command("Put a service in front: expose deployment NAME --type=NodePort --port=80", "expose"),
        "set": Command("Change the image of containers: set image deployment/NAME CONTAINER=IMAGE", "set_image"),
        "rollout": Command("Rollouts: rollout status|history|undo|restart|pause|resume deployment NAME", "rollout"),
        "run": Command("Run one pod: run NAME --image=IMAGE [-- ARGS]", "run_pod"),
        "edit": Command("Change an object in your editor: edit deployment NAME", "edit"),
        "patch": Command("Change fields: patch deployment NAME -p '{...}' [--type=merge|json|strategic]", "patch"),
        "label": Command("Set or remove labels: label pod NAME a=b c-", "label"),
        "annotate": Command("Set or remove annotations: annotate pod NAME a=b c-", "label"),
        "delete": Command("Delete objects by name, label (-l), file (-f) or all of a kind (--all)", "delete"),
    },
    "The local cluster": {
        "serve": Command("Run the control plane in the foreground, as for systemd"),
        "status": Command("Say whether the control plane runs, where, and since when", "plane"),
        "stop": Command("Stop control plane and proxy; pods keep running, unless --pods", "plane"),
        "reset": Command("Remove everything this cluster made", "plane"),
        "demo": Command("Deploy the demo: myd1, three replicas behind a NodePort", "demo"),
        "kubeconfig": Command("Print the kubeconfig for kubectl and others, or --merge it into theirs", "plane"),
        "token": Command("Give others access: token create --role admin|edit|view [-n NS], list, delete ID", "token"),
        "version": Command("Print the version", "plane"),
    },
}  # fmt: skip
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}
ALIASES = {"log": "logs", "desc": "describe"}

GLOBAL_FLAGS = """Flags for every command:
      --home DIR          One directory for all of this cluster's data, configuration and logs
      --data-dir DIR      Where the log, keys and pod logs live
      --engine NAME       Default engine of a new cluster: docker or process
      --api-port PORT     Port of the API on 127.0.0.1
      --kubeconfig FILE   Talk to the cluster of that kubeconfig instead of the local one
      --context NAME      Talk to the cluster of that kubeconfig context
  -n, --namespace NAME    Namespace to look at
  -h, --help              Help on a command
"""


class Parser(argparse.ArgumentParser):
    """Mistakes are said in one line that names the command to look at; the exit code is 1, as kubectl's."""

    def error(self, message: str) -> NoReturn:
        print(f"Error: {message}\nSee '{self.prog} --help' for usage.", file=sys.stderr)
        raise SystemExit(1)


def duration(text: str, flag: str = "--timeout") -> float | None:
    """Seconds of `30s`, `2m`, `1h30m`; None for zero. Raises UsageError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text and text != "0":
        raise UsageError(f'invalid argument "{text}" for "{flag}": write it as 30s, 2m or 1h30m')
    factors = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * factors[unit] for number, unit in parts) or None


class Switch(argparse.Action):
    """A flag that is on or off: `--wait`, `--wait=false`."""

    def __init__(self, option_strings: Sequence[str], dest: str, default: bool = False, help: str = "") -> None:
        super().__init__(option_strings, dest, nargs=0, default=default, help=help)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, True)


def add_global_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of every command; those not given leave no attribute."""
    group = parser.add_argument_group("flags for every command")
    for flag, metavar, text in (
        ("--home", "DIR", "one directory for all of this cluster's data, configuration and logs"),
        ("--data-dir", "DIR", "where the log, keys and pod logs live"),
        ("--engine", "NAME", "default engine of a new cluster: docker or process"),
        ("--kubeconfig", "FILE", "talk to the cluster of that kubeconfig instead of the local one"),
        ("--context", "NAME", "talk to the cluster of that kubeconfig context"),
    ):
        group.add_argument(flag, metavar=metavar, help=text, default=argparse.SUPPRESS)
    group.add_argument("--api-port", metavar="PORT", help="port of the API on 127.0.0.1", default=argparse.SUPPRESS)
    group.add_argument("-n", "--namespace", metavar="NAME", help="namespace to look at", default=argparse.SUPPRESS)


@dataclass(slots=True)
class Parsed:
    """`name` is empty for the app; `after` holds what followed `--`."""

    name: str
    args: argparse.Namespace
    after: list[str]
    module: str = ""

    def settings(self) -> Settings:
        """Raises SettingsError."""
        return load({name: getattr(self.args, name, None) for name in SETTING_FLAGS})


def parse(arguments: Sequence[str]) -> Parsed:
    """Read a command line. SystemExit after --help, --version and mistakes, which are printed."""
    before, after = _split(arguments)
    leading, name, rest = _find_command(before)
    if not name:
        parser = _app_parser()
        return Parsed("", parser.parse_args(leading), after)
    name = ALIASES.get(name, name)
    command = COMMANDS.get(name)
    if command is None:
        print(f"Error: unknown command {name!r}{_suggestion(name)}\nSee 'k9lite --help' for usage.", file=sys.stderr)
        raise SystemExit(1)
    return _parse_command(name, command, [*leading, *rest], after)


def _parse_command(name: str, command: Command, words: list[str], after: list[str]) -> Parsed:
    parser = Parser(prog=f"k9lite {name}", description=command.help, allow_abbrev=False)
    add_global_flags(parser)
    if command.module:
        module = import_module(f"k9lite.cli.{command.module}")
        module.add_arguments(parser, name)
    elif name == "serve":
        parser.add_argument("--reset", action=Switch, help=argparse.SUPPRESS)
    words = _spell_switches(parser, words)
    return Parsed(name, parser.parse_intermixed_args(words), after, command.module)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    words = list(arguments)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _find_command(words: list[str]) -> tuple[list[str], str, list[str]]:
    """(flags before the command, the command, what follows)."""
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("-"):
            return words[:index], word, words[index + 1 :]
        takes_value = word in ("-n", "--namespace", "--home", "--data-dir", "--engine", "--api-port",
                               "--kubeconfig", "--context")  # fmt: skip
        index += 2 if takes_value else 1
    return words, "", []


def _spell_switches(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    """`--wait=false` as a default of the parser, `--wait=true` as `--wait`: argparse knows only bare switches."""
    kept = []
    for word in words:
        match = re.fullmatch(r"(--[a-z-]+)=(true|false)", word)
        action = parser._option_string_actions.get(match[1]) if match else None
        if match is None or not isinstance(action, Switch):
            kept.append(word)
        else:
            parser.set_defaults(**{action.dest: match[2] == "true"})
    return kept


def _app_parser() -> Parser:
    parser = Parser(prog="k9lite", allow_abbrev=False, add_help=False)
    add_global_flags(parser)
    parser.add_argument("--demo", action=Switch)
    parser.add_argument("--read-only", action=Switch)
    parser.add_argument("-h", "--help", action=_TopHelp, nargs=0)
    parser.add_argument("--version", action=_Version, nargs=0)
    return parser


class _TopHelp(argparse.Action):
    def __call__(self, *_: Any) -> None:
        print(top_help(), end="")
        raise SystemExit(0)


class _Version(argparse.Action):
    def __call__(self, *_: Any) -> None:
        print(f"k9lite {__version__}")
        raise SystemExit(0)


def top_help() -> str:
    """The text of `k9lite --help`."""
    lines = [
        "k9lite: Kubernetes without the cluster, in one terminal.",
        "",
        "  k9lite                  Open the full-screen app (the control plane starts in the background)",
        "  k9lite --demo           The same, with a small demo in it",
        "  k9lite COMMAND ...      Do one thing, in kubectl's words",
        "",
    ]
    for title, commands in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:<15}{command.help}" for name, command in commands.items()), ""]
    return "\n".join(lines) + "\n" + GLOBAL_FLAGS


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """What `k9lite serve` was asked for."""

    settings: Settings
    reset: bool = False


def serve_arguments(arguments: Sequence[str]) -> ServeArguments | None:
    """The arguments of `[flags] serve [flags]`; None for any other command. SystemExit on mistakes, said aloud."""
    before, _ = _split(arguments)
    leading, name, rest = _find_command(before)
    if name != "serve":
        return None
    parsed = _parse_command("serve", COMMANDS["serve"], [*leading, *rest], [])
    try:
        return ServeArguments(parsed.settings(), bool(parsed.args.reset))
    except SettingsError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
