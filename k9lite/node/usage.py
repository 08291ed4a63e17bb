"""How busy the machine is, for the header of the app and `k9lite status`."""

from __future__ import annotations


class Usage:
    """Shares in use, 0 to 1: `memory` now, `cpu` since the last look, so that the first look has none."""

    def __init__(self) -> None:
        self._looked = False

    def shares(self) -> dict[str, float]:
        import psutil  # at the first question: a control plane that nobody looks at starts without it

        cpu = psutil.cpu_percent(interval=None) / 100
        found = {"memory": psutil.virtual_memory().percent / 100}
        if self._looked:
            found["cpu"] = cpu
        self._looked = True
        return found
