"""Runs one command and turns every failure into one line on stderr. The app is opened by a callable of the caller,
because commands know nothing of the screen."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from k9lite.cli.context import AppRequest, CommandError, Context, OpenApp, UsageError
from k9lite.cli.parser import Parsed, parse
from k9lite.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Coroutine

INTERRUPTED = 130
"""128 + SIGINT, as shells say it."""

WITH_COMMAND = ("create", "run", "exec")
"""Commands that take another program's command after `--`."""

__all__ = ["AppRequest", "OpenApp", "run"]


def run(arguments: Sequence[str], open_app: OpenApp | None = None) -> int:
    """Run the command that the arguments name; returns the exit code. No traceback reaches the user."""
    try:
        parsed = parse(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    try:
        code = _run(parsed, open_app)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return 0
    except Exception as error:
        return _explain(error, parsed)


def _run(parsed: Parsed, open_app: OpenApp | None) -> int:
    context = Context(parsed.args, parsed.settings(), parsed.after, open_app)
    if parsed.after and parsed.name not in WITH_COMMAND:
        raise UsageError(f"unexpected arguments after --: {' '.join(parsed.after)}")
    module = import_module(f"k9lite.cli.{parsed.module}") if parsed.module else import_module("k9lite.cli.app")
    ended: Coroutine[None, None, int] | int = module.run(context, parsed.name)
    return ended if isinstance(ended, int) else asyncio.run(ended)


def _explain(error: Exception, parsed: Parsed) -> int:
    """Print what went wrong; the exit code."""
    text = explanation(error)
    if text is None:
        if os.environ.get("K9LITE_DEBUG"):
            raise error
        text = f"{type(error).__name__}: {error} (a defect of k9lite; K9LITE_DEBUG=1 shows where)"
    print(f"Error: {text}", file=sys.stderr)
    if isinstance(error, UsageError):
        print(f"See 'k9lite {parsed.name} --help' for usage.", file=sys.stderr)
    return 1


def explanation(error: Exception) -> str | None:
    """The words for a failure that a user can understand; None for a defect of ours."""
    from k9lite.api.errors import ApiError
    from k9lite.client.errors import ClientError
    from k9lite.local import LocalError

    if isinstance(error, CommandError | SettingsError | LocalError | ApiError | ClientError | OSError):
        return str(error)
    return None


def _drop_stdout() -> None:
    """Whoever read our output has gone: nothing more can be said, and Python's last flush must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
