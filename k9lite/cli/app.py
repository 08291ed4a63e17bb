"""Bare `k9lite`: the app on a terminal; elsewhere watch mode, so that it never hangs on a screen it has not."""

from __future__ import annotations

import sys
from collections.abc import Coroutine

from k9lite.cli.context import Context


def is_terminal() -> bool:
    """Whether a full-screen app can be shown and used. Where stderr goes does not matter: it may be a file."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run(context: Context, _: str) -> int | Coroutine[None, None, int]:
    """Deploy the demo if asked for, then show."""
    if context.arg("demo"):
        import asyncio

        from k9lite.cli import demo

        asyncio.run(demo.run(context, "demo"))
    if is_terminal() and context.open_app is not None:
        return context.open_app(context.app_request(read_only=bool(context.arg("read_only"))))
    from k9lite.cli import watch

    return watch.print_changes(context)
