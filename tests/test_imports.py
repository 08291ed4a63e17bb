"""Start-up is a feature: what each entry must not import before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"textual", "aiohttp", "docker", "cryptography", "sqlite3", "yaml", "uvloop", "psutil"}


def imported_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after the statement."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import k9lite.__main__", "import k9lite.cli.parser", "import k9lite.serve", "import k9lite.engines.docker",
     "import k9lite.api.catalog, k9lite.apiserver.certificates"],
)  # fmt: skip
def test_heavy_packages_are_imported_late(statement: str) -> None:
    assert not imported_by(statement) & HEAVY
