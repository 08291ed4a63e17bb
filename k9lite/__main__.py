"""The `k9lite` command: the control plane runs here, everything else is a command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command that `sys.argv` names. Returns the process's exit code."""
    from k9lite.cli.parser import build, parse, settings_flags
    from k9lite.settings import SettingsError, load

    arguments = parse(sys.argv[1:])
    if arguments.command == "version":
        from k9lite import __version__

        print(f"k9lite {__version__}")
        return 0
    if arguments.command != "serve":
        build().print_help(sys.stderr)
        return 1
    try:
        settings = load(settings_flags(arguments))
    except SettingsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    from k9lite.serve import main as serve

    return serve(settings, reset=arguments.reset)


if __name__ == "__main__":
    sys.exit(main())
