"""Warnings of a request: said by what handles it, sent with its answer."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from k9lite.api.writer import Writer

if TYPE_CHECKING:
    from aiohttp import web

_current: ContextVar[list[str]] = ContextVar("warnings")


def begin() -> list[str]:
    """The warnings of the request that begins in this context: empty, to be read when it is answered."""
    warnings: list[str] = []
    _current.set(warnings)
    return warnings


def writer_of(request: web.BaseRequest, options: str, subresource: str, *, applies: bool = False) -> Writer:
    """Who sends a write request. `options` is the kind of its query's options. Raises ApiError 422."""
    agent = request.headers.get("User-Agent", "")
    by = Writer.of(request.query, agent, options, _current.get([]), applies=applies)
    by.subresource = subresource
    return by
