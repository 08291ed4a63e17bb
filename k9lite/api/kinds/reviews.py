"""Questions that are asked by creating an object and stored nowhere: the authorization and authentication groups."""

from __future__ import annotations

from k9lite.api.resources import Resource

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"


def _review(group: str, kind: str, *, namespaced: bool = False) -> Resource:
    singular = kind.lower()
    return Resource(group, "v1", kind, singular + "s", singular, namespaced=namespaced, verbs=("create",))


TOKENREVIEWS = _review(AUTHENTICATION, "TokenReview")
SELFSUBJECTREVIEWS = _review(AUTHENTICATION, "SelfSubjectReview")
SUBJECTACCESSREVIEWS = _review(AUTHORIZATION, "SubjectAccessReview")
LOCALSUBJECTACCESSREVIEWS = _review(AUTHORIZATION, "LocalSubjectAccessReview", namespaced=True)
SELFSUBJECTACCESSREVIEWS = _review(AUTHORIZATION, "SelfSubjectAccessReview")
SELFSUBJECTRULESREVIEWS = _review(AUTHORIZATION, "SelfSubjectRulesReview")

REVIEWS = (
    TOKENREVIEWS, SELFSUBJECTREVIEWS, SUBJECTACCESSREVIEWS, LOCALSUBJECTACCESSREVIEWS, SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTRULESREVIEWS,
)  # fmt: skip
