"""One form for every benchmark's result: what was measured, against what, and whether the target holds."""

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


def show(figures: list[Figure]) -> None:
    """Print a Markdown table; `ratio` is value / target."""
    print("| what | measured | target | ratio | holds | |")
    print("|---|---|---|---|---|---|")
    for figure in figures:
        sign = "≤" if figure.at_most else "≥"
        ratio = figure.value / figure.target if figure.target else float("nan")
        print(
            f"| {figure.what} | {figure.value:,.3g} {figure.unit} | {sign} {figure.target:,g} {figure.unit} "
            f"| {ratio:.2f} | {'yes' if figure.holds else 'NO'} | {figure.note} |"
        )
