"""Who writes an object, and how strict the server has to be about its fields (the query of a write request)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from k9lite.api.errors import ApiError, Cause, bad_request, invalid
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.api.validation import not_allowed, required, unsupported

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
MAX_MENTIONED = 100
"""Fields named in one answer, as upstream's decoder stops there."""


@dataclass(slots=True)
class Writer:
    """One write request. Writes of the control plane's own parts have none: they are neither judged nor tracked."""

    manager: str = "unknown"
    """The fieldManager: who owns the fields that this write sets."""
    validation: str = WARN
    is_patch: bool = False
    applies: bool = False
    """Server-side apply: by intent, with conflicts, unless by force."""
    force: bool = False
    subresource: str = ""
    """Through which the write goes; it owns what it sets under that name."""
    duplicates: list[str] = field(default_factory=list)
    """Paths of keys that the body has more than once."""
    warnings: list[str] = field(default_factory=list)
    """For the answer's Warning header; each once."""

    @classmethod
    def of(
        cls, query: Mapping[str, str], user_agent: str, options: str, warnings: list[str], *, applies: bool = False
    ) -> Writer:
        """From a request. `options` is the kind for errors: CreateOptions... Raises ApiError 422."""
        validation = query.get("fieldValidation") or WARN
        causes = []
        if validation not in (STRICT, WARN, IGNORE):
            causes.append(unsupported("fieldValidation", validation, (STRICT, WARN, IGNORE)))
        manager = query.get("fieldManager") or ""
        causes += check_manager(manager)
        if applies and not manager:
            causes.append(required("fieldManager", "is required for apply patch"))
        if query.get("force") and not applies:
            causes.append(not_allowed("force", "may not be specified for non-apply patch"))
        if causes:
            raise invalid(options, "meta.k8s.io", "", causes)
        return cls(
            manager or default_manager(user_agent),
            validation,
            is_patch=options == "PatchOptions",
            applies=applies,
            force=query.get("force", "").lower() in ("1", "true", "t"),
            warnings=warnings,
        )

    def judge(self, api_version: str, kind: str, obj: Obj, unknown: list[str]) -> None:
        """Refuse, or warn of, fields that no schema has and keys that came twice. Raises ApiError 400 or 422."""
        if self.applies and unknown:
            where = "/".join(filter(None, (namespace_of(obj), name_of(obj))))
            listed = ", ".join(f".{path}: field not declared in schema" for path in unknown[:MAX_MENTIONED])
            raise bad_request(f"failed to create typed patch object ({where}; {api_version}, Kind={kind}): {listed}")
        if self.validation == IGNORE or not (unknown or self.duplicates):
            return
        found = [f"unknown field {_quoted(path)}" for path in unknown]
        found += [f"duplicate field {_quoted(path)}" for path in self.duplicates]
        found = found[:MAX_MENTIONED]
        if self.validation == WARN:
            self.warnings += [text for text in found if text not in self.warnings]
            return
        why = f"strict decoding error: {', '.join(found)}"
        if not self.is_patch or self.applies:
            version = api_version.rpartition("/")[2]
            raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
        message = f"Invalid value: {_quoted(orjson.dumps(obj).decode())}: {why}"
        cause = Cause("patch", "FieldValueInvalid", message)
        details: dict[str, Any] = {"causes": [cause.to_status()]}
        raise ApiError(422, "Invalid", f' "" is invalid: patch: {message}', details)


def default_manager(user_agent: str) -> str:
    """The part of the User-Agent before the first slash, as upstream names a manager that names not itself."""
    return "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())[:128] or "unknown"


def check_manager(manager: str) -> list[Cause]:
    causes = []
    if len(manager) > 128:
        causes.append(Cause("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"))
    if not manager.isprintable():
        why = "should only contain printable characters"
        causes.append(Cause("fieldManager", "FieldValueInvalid", f"Invalid value: {_quoted(manager)}: {why}"))
    return causes


def _quoted(text: str) -> str:
    """As Go's %q: no control character is left."""
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")


def warning_header(warnings: list[str]) -> str:
    """The value of the Warning header (RFC 7234): each as `299 - "text"`, at most 4 KiB of them."""
    parts: list[str] = []
    for text in warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        if sum(map(len, parts)) + len(escaped) > 4096:
            break
        parts.append(f'299 - "{escaped}"')
    return ", ".join(parts)
