"""`k9lite config get-contexts|current-context|use-context`: the contexts of the kubeconfig, without asking a server."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path

from k9lite import contexts
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import Switch
from k9lite.client import kubeconfig
from k9lite.client.columns import elastic

_CURRENT = re.compile(r"^current-context:.*$", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("verb", choices=["get-contexts", "current-context", "use-context"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-o", "--output", choices=["name"], default="", help="get-contexts: names only")
    parser.add_argument("--no-headers", action=Switch, help="leave the header out")


def run(context: Context, _: str) -> int:
    given = context.arg("kubeconfig")
    path = Path(given).expanduser() if given else None
    config = kubeconfig.read(path)
    args = context.args
    if args.verb == "get-contexts":
        return _list(context, path, config.current)
    if args.verb == "current-context":
        if args.names:
            raise UsageError("current-context takes no name")
        if not config.current:
            raise CommandError("current-context is not set")
        print(config.current)
        return 0
    if len(args.names) != 1:
        raise UsageError("use-context takes the name of one context")
    name = args.names[0]
    if name not in {each.name for each in config.contexts()}:
        raise CommandError(f'no context exists with the name: "{name}"')
    _use(_file_to_write(config), name)
    print(f'Switched to context "{name}".')
    context.say(f"This is for kubectl and others; k9lite looks at its own cluster unless told --context {name}")
    return 0


def _list(context: Context, path: Path | None, current: str) -> int:
    args = context.args
    listed = contexts.listed(path)
    unknown = [name for name in args.names if name not in {each.name for each in listed}]
    shown = sorted((each for each in listed if not args.names or each.name in args.names), key=lambda each: each.name)
    if args.output == "name":
        print("".join(f"{each.name}\n" for each in shown), end="")
    else:
        header = ("CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE")
        rows = [
            ("*" if each.name == current else "", each.name, each.cluster, each.user, each.namespace) for each in shown
        ]
        lines = rows if args.no_headers else [header, *rows]
        print("".join(line + "\n" for line in elastic(lines, min_width=6, padding=3)), end="")
    for name in unknown:
        context.say(f"Error: context {name} not found")
    return int(bool(unknown))


def _file_to_write(config: kubeconfig.Kubeconfig) -> Path:
    """The file that says which context is current, else the first one."""
    return next((path for path, content in config.files if content.get("current-context")), config.files[0][0])


def _use(path: Path, name: str) -> None:
    """Change that one line and nothing else, in a new file that takes the old one's place. Raises CommandError."""
    from k9lite.client.yamlio import dump, parse_yaml

    text = path.read_text(encoding="utf-8")
    line = dump({"current-context": name}).rstrip("\n")
    changed, count = _CURRENT.subn(lambda _: line, text, count=1)
    if not count:
        changed = text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"
    before, after = parse_yaml(text, str(path)) or {}, None
    try:
        after = parse_yaml(changed, str(path))
    except Exception:  # a file in a style that one line cannot be changed in, such as JSON
        after = None
    if after != {**before, "current-context": name}:
        raise CommandError(f"{path} is not written in a way that k9lite can change; set current-context by hand")
    target = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(changed)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
