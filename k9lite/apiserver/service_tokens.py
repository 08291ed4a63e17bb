"""Service account tokens: JSON web tokens that the cluster's key signs, as the TokenRequest API hands them out.

    pki/sa.key (0600)   an EC key, made when the first token is asked for

A token is good while its account (and the pod or secret it is bound to) exists with the same uid, until it expires.
What was verified is remembered, so that only a token's first request pays for the signature; the rest is looked at
each time. Source: k8s.io/kubernetes/pkg/serviceaccount and pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from k9lite.api.catalog import PODS, SERVICEACCOUNTS, by_path
from k9lite.api.errors import Cause, bad_request, conflict, invalid, not_found
from k9lite.api.objects import Obj, dig, is_deleting, name_of, uid_of
from k9lite.api.schema import check_types
from k9lite.api.validation import wrong
from k9lite.clock import rfc3339
from k9lite.registry.registry import Registry
from k9lite.registry.users import User, service_account

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "https://kubernetes.default.svc.cluster.local"
API_VERSION = "authentication.k8s.io/v1"
DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 3600, 600, 1 << 32
REMEMBERED = 4096
_HEADER = "kubernetes.io"


class ServiceTokens:
    """Signs and verifies the tokens of one cluster."""

    def __init__(self, key_path: Path, registry: Registry) -> None:
        self._path = key_path
        self._registry = registry
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._verified: dict[bytes, Obj] = {}

    # Asking ------------------------------------------------------------------------------------------
    def create(self, namespace: str, name: str, request: Any) -> Obj:
        """Answer a TokenRequest for an account. Raises ApiError 400, 404, 409 or 422."""
        account = self._registry.get(SERVICEACCOUNTS, namespace, name).obj
        if not isinstance(request, dict) or request.get("kind", "TokenRequest") != "TokenRequest":
            raise bad_request("the object provided is unrecognized (must be of type TokenRequest)")
        check_types(API_VERSION, "TokenRequest", request)
        spec: Obj = dict(request.get("spec") or {})
        seconds = spec.setdefault("expirationSeconds", DEFAULT_SECONDS)
        spec["audiences"] = spec.get("audiences") or [ISSUER]
        if causes := _check_seconds(seconds):
            raise invalid("TokenRequest", "authentication.k8s.io", name, causes)
        now = int(self._registry.clock.time())
        about: Obj = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid_of(account)}}
        if reference := spec.get("boundObjectRef"):
            kind, bound = self._bound_object(namespace, reference)
            about[kind] = {"name": name_of(bound), "uid": uid_of(bound)}
        claims = {
            "aud": spec["audiences"], "exp": now + seconds, "iat": now, "iss": ISSUER, "jti": str(uuid.uuid4()),
            "kubernetes.io": about, "nbf": now, "sub": f"system:serviceaccount:{namespace}:{name}",
        }  # fmt: skip
        status = {"token": self._sign(claims), "expirationTimestamp": rfc3339(now + seconds)}
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": rfc3339(now)}
        return {"kind": "TokenRequest", "apiVersion": API_VERSION, "metadata": metadata, "spec": spec, "status": status}

    def _bound_object(self, namespace: str, reference: Obj) -> tuple[str, Obj]:
        """("pod" or "secret", the object). Raises ApiError 404 or 409."""
        kind, name = str(reference.get("kind") or ""), str(reference.get("name") or "")
        if kind not in ("Pod", "Secret"):
            raise bad_request(f"cannot bind token for serviceaccount to object of type {kind!r}: Pod or Secret")
        resource = PODS if kind == "Pod" else by_path("", "v1", "secrets")
        if resource is None:
            raise not_found("secrets", name)
        bound = self._registry.get(resource, namespace, name).obj
        if reference.get("uid") and reference["uid"] != uid_of(bound):
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match "
                f"the UID in record. The object might have been deleted and then recreated"
            )
            raise conflict(resource.key, name, why)
        return kind.lower(), bound

    # Verifying ---------------------------------------------------------------------------------------
    def user_of(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User | None:
        """The account of a token; None if it is not ours, for others, expired, or of what is gone."""
        claims = self._claims(token)
        if claims is None or not set(audiences) & set(claims.get("aud") or []):
            return None
        now = self._registry.clock.time()
        if not int(claims["nbf"]) - 10 <= now < int(claims["exp"]):
            return None
        about = claims[_HEADER]
        namespace, account = about["namespace"], about["serviceaccount"]
        if not self._is_there(SERVICEACCOUNTS.key, namespace, account):
            return None
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        for kind in ("pod", "secret"):
            if bound := about.get(kind):
                if not self._is_there(kind + "s", namespace, bound):
                    return None
                if kind == "pod":
                    extra["authentication.kubernetes.io/pod-name"] = [bound["name"]]
                    extra["authentication.kubernetes.io/pod-uid"] = [bound["uid"]]
        return service_account(namespace, account["name"], account["uid"], extra)

    def _is_there(self, resource: str, namespace: str, about: Obj) -> bool:
        stored = self._registry.store.get(resource, namespace, about["name"])
        if stored is None or uid_of(stored.obj) != about["uid"]:
            return False
        return not (is_deleting(stored.obj) and resource != PODS.key)  # a pod that ends may still say good-bye

    def _claims(self, token: str) -> Obj | None:
        """The claims of a token that our key signed."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            return known
        claims = self._verify(token)
        if claims is not None:
            if len(self._verified) >= REMEMBERED:
                self._verified.clear()
            self._verified[digest] = claims
        return claims

    def _verify(self, token: str) -> Obj | None:
        if not self._path.exists():
            return None
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        try:
            signed, _, signature_part = token.rpartition(".")
            header_part, _, claims_part = signed.partition(".")
            if orjson.loads(_decode(header_part)).get("alg") != "ES256":
                return None
            raw = _decode(signature_part)
            if len(raw) != 64:
                return None
            signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self._signing_key().public_key().verify(signature, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = orjson.loads(_decode(claims_part))
        except (InvalidSignature, ValueError, AttributeError, TypeError):
            return None
        good = isinstance(claims, dict) and claims.get("iss") == ISSUER and dig(claims, _HEADER, "serviceaccount")
        return claims if good else None

    # Signing -----------------------------------------------------------------------------------------
    def _sign(self, claims: Obj) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        key = self._signing_key()
        signed = f"{_encode(orjson.dumps({'alg': 'ES256', 'kid': self._key_id(key)}))}.{_encode(orjson.dumps(claims))}"
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _key_id(self, key: ec.EllipticCurvePrivateKey) -> str:
        from cryptography.hazmat.primitives import serialization

        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return _encode(hashlib.sha256(public).digest())

    def _signing_key(self) -> ec.EllipticCurvePrivateKey:
        if self._key is None:
            from cryptography.hazmat.primitives import serialization
            from cryptography.hazmat.primitives.asymmetric import ec

            if not self._path.exists():
                made = ec.generate_private_key(ec.SECP256R1())
                secret = made.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
                with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(secret)
            key = serialization.load_pem_private_key(self._path.read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
        return self._key


def _check_seconds(seconds: int) -> list[Cause]:
    field = "spec.expirationSeconds"
    if seconds < MIN_SECONDS:
        return [wrong(field, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > MAX_SECONDS:
        return [wrong(field, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
