"""Run the benchmarks, all of them or those named: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import importlib
import sys

NAMES = ("store", "startup", "pods", "docker", "proxy", "table", "api")


def main() -> int:
    """Returns 1 if a benchmark could not be run; a missed target is printed, not an error."""
    failed = 0
    for name in sys.argv[1:] or NAMES:
        print(f"\n## {name}", flush=True)
        try:
            importlib.import_module(f"benchmarks.{name}").main()
        except ModuleNotFoundError as error:
            if error.name != f"benchmarks.{name}":
                raise
            print(f"Error: there is no benchmark {name}; there are {', '.join(NAMES)}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
