"""`k9lite proxy`: the parent process, and its workers (`k9lite proxy --worker FD FD`)."""

from __future__ import annotations

import os
import sys

MAX_WORKERS = 4
USAGE = "usage: k9lite proxy\n\nThe control plane starts it; settings come from K9LITE_* variables and config.yaml."


def main(arguments: list[str]) -> int:
    """Run the parent, or a worker. Returns the exit code."""
    if arguments[:1] == ["--worker"]:
        from k9lite.proxy import worker

        return worker.main(int(arguments[1]), int(arguments[2]))
    if arguments:
        print(USAGE, file=sys.stdout if arguments[0] in ("-h", "--help") else sys.stderr)
        return 0 if arguments[0] in ("-h", "--help") else 1
    return _run_parent()


def _run_parent() -> int:
    import logging
    import time

    import uvloop

    from k9lite.proxy import parent
    from k9lite.settings import SettingsError, load

    logging.basicConfig(
        level=os.environ.get("K9LITE_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)sZ %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    logging.Formatter.converter = time.gmtime
    try:
        settings = load()
        settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        workers = settings.proxy_workers or min(os.cpu_count() or 1, MAX_WORKERS)
        uvloop.run(parent.serve(settings.run, settings.proxy_socket, workers))
    except (SettingsError, parent.AlreadyRunning, OSError) as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0
