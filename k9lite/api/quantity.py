"""Quantities: `500m`, `1.5Gi`, `2e3`. Source: k8s.io/apimachinery/pkg/api/resource/quantity.go."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$")
_MAX_EXPONENT = 99
"""Far beyond any machine; bigger ones would make arithmetic slow."""
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


@lru_cache(maxsize=1024)
def parse(text: str | int | float) -> Decimal:
    """The exact value. Raises ValueError with upstream's words."""
    match = _FORM.fullmatch(str(text))
    if not match:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, exponent, suffix = match.groups()
    if exponent:
        if abs(int(exponent[1:])) > _MAX_EXPONENT:
            raise ValueError("unable to parse quantity's suffix")
        return Decimal(number + exponent)
    if suffix in _BINARY:
        return Decimal(number) * (1 << _BINARY[suffix])
    return Decimal(number).scaleb(_DECIMAL[suffix or ""])


def canonical(text: str | int | float) -> str:
    """The form upstream answers with: `1000m` -> `1`, `0.5` -> `500m`, `1024Mi` -> `1Gi`. Raises ValueError."""
    value = parse(text)
    match = _FORM.fullmatch(str(text))
    assert match
    if match.group(3) in _BINARY and value == value.to_integral_value() and abs(value) >= 1024:
        whole = int(value)
        for suffix, bits in reversed(_BINARY.items()):
            if whole % (1 << bits) == 0:
                return f"{whole >> bits}{suffix}"
        return str(whole)
    nano = (value * 10**9).to_integral_value(ROUND_CEILING)
    if nano == 0:
        return "0"
    if match.group(2):
        return _with_exponent(int(nano))
    for suffix, power in reversed(_DECIMAL.items()):
        unit = 10 ** (power + 9)
        if nano % unit == 0:
            return f"{int(nano // unit)}{suffix}"
    return f"{int(nano)}n"


def _with_exponent(nano: int) -> str:
    """`2e3` stays so: written with an exponent, a multiple of three."""
    exponent = -9
    while nano % 1000 == 0:
        nano, exponent = nano // 1000, exponent + 3
    return f"{nano}e{exponent}" if exponent else str(nano)


def to_bytes(text: str | int | float) -> int:
    """Whole units, rounded up. Raises ValueError."""
    return int(parse(text).to_integral_value(ROUND_CEILING))


def to_millis(text: str | int | float) -> int:
    """Thousandths, rounded up: CPU as millicores. Raises ValueError."""
    return int((parse(text) * 1000).to_integral_value(ROUND_CEILING))
