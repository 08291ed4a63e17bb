"""The command line. Flags that set something are derived from the settings dataclass."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields

from k9lite import __version__
from k9lite.settings import Settings


def build() -> argparse.ArgumentParser:
    """The parser of `k9lite`."""
    parser = argparse.ArgumentParser("k9lite", description="Kubernetes without the cluster, in one terminal.")
    parser.add_argument("--version", action="version", version=f"k9lite {__version__}")
    group = parser.add_argument_group("settings")
    for item in fields(Settings):
        flag = "--" + item.name.replace("_", "-")
        group.add_argument(flag, dest=f"setting_{item.name}", metavar="VALUE", help=item.metadata["doc"])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the control plane in the foreground, for systemd")
    serve.add_argument("--reset", action="store_true", help=argparse.SUPPRESS)
    commands.add_parser("version", help="print the version")
    return parser


def settings_flags(arguments: argparse.Namespace) -> dict[str, str | None]:
    """The settings that were given as flags, by field name."""
    return {item.name: getattr(arguments, f"setting_{item.name}") for item in fields(Settings)}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Exits with 2 and a usage message where the arguments are wrong."""
    return build().parse_args(arguments)
