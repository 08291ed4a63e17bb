"""Run the benchmarks, all of them or those named: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import importlib
import sys

from benchmarks.report import Skipped

NAMES = ("store", "startup", "pods", "docker", "proxy", "table", "api")


def main() -> int:
    """Returns 1 if a limit was missed, or a name is none."""
    names = sys.argv[1:] or NAMES
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"Error: there is no benchmark {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 1
    missed = []
    for name in names:
        print(f"\n## {name}", flush=True)
        try:
            figures = importlib.import_module(f"benchmarks.{name}").main()
        except Skipped as reason:
            print(f"skipped: {reason}", flush=True)
            continue
        missed += [figure.what for figure in figures if not figure.holds]
    if missed:
        print(f"\nError: {len(missed)} of the limits missed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
