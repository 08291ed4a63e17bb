"""The `k9lite` command: the control plane and the proxy run here, everything else is a command or the app."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command that `sys.argv` names. Returns the process's exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["proxy"]:
        from k9lite.proxy.main import main as run_proxy

        return run_proxy(arguments[1:])
    from k9lite.cli.parser import serve_arguments

    served = serve_arguments(arguments)
    if served is None:
        from k9lite.cli.main import run

        return run(arguments)
    from k9lite.serve import main as serve

    return serve(served.settings, reset=served.reset)


if __name__ == "__main__":
    sys.exit(main())
