"""The line at the top: where we are, and how the node is."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

BAR_CELLS = 8
WARN, CRITICAL = 0.7, 0.9
"""Shares from which a bar warns, and from which it is critical."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
RATE_CELLS = 12
"""Seconds of the sparkline, the newest at the right."""


@dataclass(frozen=True, slots=True)
class HeaderInfo:
    """What is known so far; empty where it is not. Shares are 0 to 1."""

    context: str = ""
    cluster: str = ""
    namespace: str = ""
    engine: str = ""
    version: str = ""
    node: str = ""
    node_ready: bool = True
    cpu: float | None = None
    memory: float | None = None
    rate: tuple[int, ...] = ()
    """New connections through the proxy in each of the last seconds; empty where there is no proxy of ours."""
    failures: int = 0
    """Connections that no pod took, in all."""
    forwards: tuple[str, ...] = ()
    """Ports of this machine that lead to pods, as `8080→80`."""
    read_only: bool = False
    production: bool = False
    connected: bool = False

    @property
    def is_guarded(self) -> bool:
        """Whether the context is one where care is due: it gets a lock and a red frame."""
        return self.read_only or self.production


Part = tuple[str, str]


class HeaderBar(Widget):
    """What has no room is left out: of the parts the last, of the gauges the first; context and namespace stay."""

    DEFAULT_CSS = """
    HeaderBar { height: 1; background: $panel; color: $foreground; }
    """

    info: reactive[HeaderInfo] = reactive(HeaderInfo())

    def render(self) -> RenderResult:
        info, width = self.info, self.size.width
        left: list[list[Part]] = [[(" k9lite ", "bold $text on $primary")]]
        if info.is_guarded:
            left[0].append((" 🔒", "on $error" if info.production else "on $warning"))
        if info.production:
            left[0].append((" production ", "bold $text on $error"))
        if info.read_only:
            left[0].append((" read-only ", "bold $text on $warning"))
        if not info.context:
            left.append([(" connecting… ", "$role-muted")])
        else:
            mark, style = ("●", "$success") if info.connected else ("○", "$error")
            left.append([(f" {mark} ", style), (info.context, "bold")])
            left.append([("  ns ", "$role-muted"), (info.namespace or "all", "bold $accent")])
        if info.forwards:
            left.append([("  forward ", "$role-muted"), (" ".join(info.forwards), "$accent")])
        if info.cluster and info.cluster != info.context:
            left.append([("  cluster ", "$role-muted"), (info.cluster, "")])
        if info.node:
            left.append(
                [("  node ", "$role-muted"), (info.node, "" if info.node_ready else "bold $error")]
                + ([] if info.node_ready else [(" NotReady", "bold $error")])
            )
        if info.engine:
            left.append([("  engine ", "$role-muted"), (info.engine, "")])
        if info.version:
            left.append([("  ", ""), (info.version, "$role-muted")])
        right = [_sparkline(info.rate, info.failures), _gauge("cpu", info.cpu), _gauge("mem", info.memory)]
        return _fitted(left, right, width)


def _gauge(name: str, share: float | None) -> list[Part]:
    if share is None:
        return []
    share = min(1.0, max(0.0, share))
    style = "$error" if share >= CRITICAL else "$warning" if share >= WARN else "$success"
    eighths = round(share * BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    bar = ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(BAR_CELLS)
    return [(f"  {name} ", "$role-muted"), (bar, f"{style} on $surface"), (f" {share:4.0%} ", style)]


def _sparkline(rate: tuple[int, ...], failures: int) -> list[Part]:
    """Connections a second, drawn against the busiest of the seconds that are shown."""
    if not rate:
        return []
    shown = rate[-RATE_CELLS:]
    top = max(shown)
    drawn = "".join(_HEIGHTS[0 if not count else max(1, count * 7 // top)] for count in shown).rjust(RATE_CELLS, "▁")
    failed: list[Part] = [(f" {failures} failed", "bold $error")] if failures else []
    return [("  conn ", "$role-muted"), (drawn, "$accent" if top else "$role-muted"), (f" {shown[-1]}/s", ""), *failed]


def _width(parts: list[Part]) -> int:
    return sum(cell_len(text) for text, _ in parts)


def _fitted(groups: list[list[Part]], gauges: list[list[Part]], width: int) -> Content:
    """As many groups as there is room for, then as many gauges, which stand at the right edge."""
    parts = [part for group in groups[:3] for part in group]
    right: list[Part] = []
    for gauge in reversed(gauges):
        if _width(parts) + _width(right) + _width(gauge) <= width:
            right = gauge + right
    for group in groups[3:]:
        if _width(parts) + _width(group) + _width(right) <= width:
            parts += group
    gap = max(0, width - _width(right) - _width(parts))
    return Content.assemble(*parts, (" " * gap, ""), *right)
