"""Errors as Kubernetes Status objects (contract section 5.2).

    ApiError                 any failure with a Status: code, reason, message, details
    └── (one class)          told apart by `reason`, as clients of Kubernetes do

Constructors below build each with upstream's words. Source: k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One field error: `reason` as in FieldValueInvalid, `message` in upstream's form."""

    field: str
    reason: str
    message: str

    def to_status(self) -> dict[str, str]:
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A request that failed, as a Status says it. `str(error)` is the message for people.

    `metadata` is the Status' ListMeta: the token with which an expired list can be continued.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.metadata = metadata or {}

    @property
    def causes(self) -> list[dict[str, str]]:
        causes: list[dict[str, str]] = self.details.get("causes", [])
        return causes

    def to_status(self) -> dict[str, Any]:
        """The Status object sent to clients."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details or self.code == 404:  # kubectl's debug looks into those of any NotFound
            status["details"] = self.details
        status["code"] = self.code
        return status

    @classmethod
    def from_status(cls, status: dict[str, Any], code: int) -> ApiError:
        """The error that a server's Status object says; tolerant of missing fields."""
        return cls(
            int(status.get("code") or code),
            str(status.get("reason") or "Unknown"),
            str(status.get("message") or f"the server answered {code} without a reason"),
            status.get("details") or {},
        )


def _details(group_resource: str, name: str) -> dict[str, Any]:
    plural, _, group = group_resource.partition(".")
    details: dict[str, Any] = {"name": name, "kind": plural}
    if group:
        details["group"] = group
    return details


def not_found(group_resource: str, name: str) -> ApiError:
    """404 `deployments.apps "x" not found`."""
    return ApiError(404, "NotFound", f'{group_resource} "{name}" not found', _details(group_resource, name))


def unknown_path() -> ApiError:
    """404 for a path that is no resource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(group_resource: str, name: str) -> ApiError:
    """409 on create."""
    return ApiError(409, "AlreadyExists", f'{group_resource} "{name}" already exists', _details(group_resource, name))


MODIFIED_MEANWHILE = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group_resource: str, name: str, why: str = MODIFIED_MEANWHILE) -> ApiError:
    """409 on update."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {group_resource} "{name}": {why}',
        _details(group_resource, name),
    )


def invalid(kind: str, group: str, name: str, causes: list[Cause]) -> ApiError:
    """422 with every field error; details.kind is the Kind, not the plural."""
    qualified = f"{kind}.{group}" if group else kind
    parts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = parts[0] if len(parts) == 1 else "[" + ", ".join(parts) + "]"
    details: dict[str, Any] = {"name": name, "kind": kind, "causes": [cause.to_status() for cause in causes]}
    if group:
        details["group"] = group
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def unsupported_media_type(accepted: tuple[str, ...]) -> ApiError:
    """415, with the types that would do."""
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}",
    )


def forbidden(group_resource: str, name: str, why: str, causes: list[Cause] | None = None) -> ApiError:
    """403 `pods "x" is forbidden: why`."""
    details = _details(group_resource, name)
    if causes:
        details["causes"] = [cause.to_status() for cause in causes]
    return ApiError(403, "Forbidden", f'{group_resource} "{name}" is forbidden: {why}', details)


def expired(message: str) -> ApiError:
    """410: the asked-for resourceVersion is no longer in the history."""
    return ApiError(410, "Expired", message)


def internal(message: str) -> ApiError:
    """500, with upstream's prefix."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def unavailable(message: str) -> ApiError:
    """503."""
    return ApiError(503, "ServiceUnavailable", message)
