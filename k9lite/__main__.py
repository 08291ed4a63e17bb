"""The `k9lite` command: the control plane and the proxy run here, everything else is a command or the app."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k9lite.cli.context import AppRequest
    from k9lite.client.rest import KubeClient


NEW_OBJECTS = 50_000
"""Before the collector looks for garbage. Imports make as many objects and none: looking each 700, as Python does by
itself, is a tenth of the time to the app's first paint."""


def main() -> int:
    """Run the command that `sys.argv` names. Returns the process's exit code."""
    gc.set_threshold(NEW_OBJECTS)
    arguments = sys.argv[1:]
    if arguments[:1] == ["proxy"]:
        from k9lite.proxy.main import main as run_proxy

        return run_proxy(arguments[1:])
    from k9lite.cli.parser import serve_arguments

    served = serve_arguments(arguments)
    if served is None:
        from k9lite.cli.main import run

        return run(arguments, open_app=_open_app)
    from k9lite.serve import main as serve

    return serve(served.settings, reset=served.reset)


def _open_app(request: AppRequest) -> int:
    """Show the full-screen app until the user leaves; the control plane starts meanwhile, where one is needed."""
    import asyncio

    from k9lite import contexts
    from k9lite.tui.app import K9liteApp

    starts: list[str] = []

    async def connect() -> KubeClient:
        gc.freeze()  # painted: what was made until here stays
        client = await asyncio.to_thread(
            contexts.client_of, request.settings, request.kubeconfig, request.context, starts.append
        )
        client.namespace = request.namespace or client.namespace
        return client

    app = K9liteApp(
        connect,
        settings=request.settings,
        read_only=request.read_only,
        initial=request.kinds,
        kubeconfig=request.kubeconfig,
        started_here=lambda: bool(starts),
    )
    for name in ("COLUMNS", "LINES"):  # Textual would believe them: the terminal itself knows its size, also later
        os.environ.pop(name, None)
    with _drawing_on_terminal():
        app.run()
    return app.return_code or 0


@contextmanager
def _drawing_on_terminal() -> Iterator[None]:
    """Textual draws on the process's stderr; where that is a file (`k9lite 2>log`), let it draw on stdout."""
    original = sys.__stderr__
    if original is None or not original.isatty():
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stderr__ = original  # type: ignore[misc]


if __name__ == "__main__":
    sys.exit(main())
