"""PodLogOptions: what the query of a log asks for, checked in upstream's words.

Source: k8s.io/kubernetes/pkg/apis/core/validation.ValidatePodLogOptions.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from k9lite.api.errors import Cause, bad_request, invalid
from k9lite.apiserver.requests import is_true
from k9lite.clock import parse_rfc3339


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`since` is in seconds since the epoch: lines written from then on."""

    follow: bool
    previous: bool
    timestamps: bool
    tail_lines: int | None
    since: float | None
    limit_bytes: int | None

    @classmethod
    def parse(cls, query: Mapping[str, str], pod: str, now: float) -> LogOptions:
        """Raises ApiError 400 for what is no number or no time, 422 for what is out of bounds."""
        tail, limit, seconds = (_integer(query, key) for key in ("tailLines", "limitBytes", "sinceSeconds"))
        if query.get("stream", "All") not in ("", "All"):
            raise bad_request("stream: stdout and stderr are kept as one log; ask for All")
        since = _time(query)
        causes = [
            *_at_least(0, "tailLines", tail, "must be greater than or equal to 0"),
            *_at_least(1, "limitBytes", limit, "must be greater than 0"),
            *_at_least(1, "sinceSeconds", seconds, "must be greater than 0"),
        ]
        if since is not None and seconds is not None:
            causes.append(
                Cause("", "FieldValueForbidden", "at most one of `sinceTime` or `sinceSeconds` may be specified")
            )
        if causes:
            raise invalid("PodLogOptions", "", pod, causes)
        if seconds is not None:
            since = now - seconds
        follow, previous, timestamps = (is_true(query, key) for key in ("follow", "previous", "timestamps"))
        return cls(follow, previous, timestamps, tail, since, limit)


def _integer(query: Mapping[str, str], key: str) -> int | None:
    text = query.get(key, "")
    if not text:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise bad_request(f'{key}: Invalid value: "{text}": must be a whole number')
    return int(text)


def _time(query: Mapping[str, str]) -> float | None:
    text = query.get("sinceTime", "")
    try:
        return parse_rfc3339(text) if text else None
    except (ValueError, OverflowError):
        raise bad_request(f'sinceTime: Invalid value: "{text}": must be a time such as 2026-01-02T03:04:05Z') from None


def _at_least(least: int, field: str, value: int | None, text: str) -> list[Cause]:
    if value is None or value >= least:
        return []
    return [Cause(field, "FieldValueInvalid", f"Invalid value: {value}: {text}")]


async def limited(lines: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """At most so many bytes; the last line may be cut."""
    try:
        async for line in lines:
            yield line[:limit]
            limit -= len(line)
            if limit <= 0:
                return
    finally:
        if close := getattr(lines, "aclose", None):
            await close()
