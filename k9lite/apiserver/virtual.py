"""What is served but stored nowhere: reviews, tokens of service accounts, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k9lite.api.catalog import NODEMETRICS, PODMETRICS, SERVICEACCOUNTS, VIRTUAL
from k9lite.api.errors import ApiError, unavailable
from k9lite.api.objects import encode
from k9lite.apiserver.authentication import Authenticator
from k9lite.apiserver.bodies import parse_body
from k9lite.apiserver.metrics import MetricsApi, MetricsSource
from k9lite.apiserver.requests import Target
from k9lite.apiserver.reviews import Reviews
from k9lite.registry.registry import Registry
from k9lite.registry.users import User

if TYPE_CHECKING:
    from aiohttp import web


class Virtual:
    """Answers for targets that `has` claims."""

    def __init__(self, registry: Registry, authenticator: Authenticator, metrics: MetricsSource | None) -> None:
        self._authenticator = authenticator
        self._reviews = Reviews(registry.authorizer, authenticator)
        self._metrics = MetricsApi(metrics, registry.clock) if metrics is not None else None

    def has(self, target: Target) -> bool:
        if target.resource is SERVICEACCOUNTS:
            return target.subresource == "token"
        return target.resource in VIRTUAL

    def answer(self, request: web.BaseRequest, user: User, target: Target, body: bytes) -> tuple[int, bytes]:
        """(status code, JSON). Raises ApiError."""
        if target.resource in (PODMETRICS, NODEMETRICS) and request.method == "GET":
            if self._metrics is None:
                raise unavailable("this server measures nothing: it has no node")
            return 200, self._metrics.answer(target, request.query, request.headers.get("Accept", ""))
        if (
            "create" not in target.resource.verbs
            or request.method != "POST"
            or (target.name and not target.subresource)
        ):
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        content = parse_body(request.headers.get("Content-Type", ""), body)
        if target.resource is SERVICEACCOUNTS:
            service_tokens = self._authenticator.service_tokens
            if service_tokens is None:
                raise ApiError(405, "MethodNotAllowed", "a server without TLS gives no tokens: it trusts everyone")
            return 201, encode(service_tokens.create(target.namespace or "", target.name, content))
        return 201, encode(self._reviews.answer(user, target, content))
