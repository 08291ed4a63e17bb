"""One form for every benchmark's result: what was measured, against what, and whether the limit is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` and `target` are in `unit`; `at_most` says on which side of the target is good."""

    what: str
    value: float
    unit: str
    target: float
    at_most: bool = True
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target


class Skipped(Exception):
    """A benchmark that cannot run on this machine; says what is missing."""


def show(figures: list[Figure]) -> list[Figure]:
    """Print a Markdown table; `ratio` is value / limit. Returns the figures."""
    print("| what | measured | limit | ratio | | |")
    print("|---|---|---|---|---|---|")
    for figure in figures:
        sign = "≤" if figure.at_most else "≥"
        ratio = figure.value / figure.target if figure.target else float("nan")
        print(
            f"| {figure.what} | {figure.value:,.3g} {figure.unit} | {sign} {figure.target:,g} {figure.unit} "
            f"| {ratio:.2f} | {'ok' if figure.holds else 'not ok'} | {figure.note} |"
        )
    return figures
