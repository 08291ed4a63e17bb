"""Quantities, with upstream's canonical forms."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api import quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("2e3", "2e3"),
        ("12e4", "120e3"),
        ("0", "0"),
        ("100", "100"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "x", "1KB", "1 Mi", "--1", "1ki"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        quantity.parse(text)


def test_bytes_and_millis_round_up() -> None:
    assert quantity.to_bytes("64Mi") == 64 * 1024 * 1024
    assert quantity.to_millis("250m") == 250
    assert quantity.to_millis("0.0001") == 1


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_the_canonical_form_has_the_same_value(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert quantity.parse(quantity.canonical(text)) == quantity.parse(text) >= Decimal(0)
