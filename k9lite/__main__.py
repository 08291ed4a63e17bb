"""The `k9lite` command: the control plane and the proxy run here, everything else is a command or the app."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command that `sys.argv` names. Returns the process's exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["proxy"]:
        from k9lite.proxy.main import main as run_proxy

        return run_proxy(arguments[1:])
    if "serve" in arguments[:8]:
        served = _serve(arguments)
        if served is not None:
            return served
    from k9lite.cli.main import main as run_command

    return run_command(arguments)


def _serve(arguments: list[str]) -> int | None:
    """Run the control plane if the arguments are `[settings flags] serve [flags]`; None where they are not."""
    from k9lite.cli.parser import serve_arguments

    parsed = serve_arguments(arguments)
    if parsed is None:
        return None
    from k9lite.serve import main as run_control_plane

    return run_control_plane(parsed)


if __name__ == "__main__":
    sys.exit(main())
