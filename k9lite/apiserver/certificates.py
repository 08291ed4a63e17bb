"""The private CA, the server's certificate and the administrator's: made at the first start, renewed by themselves.

    pki/ca.crt, ca.key           10 years
    pki/server.crt, server.key   1 year, renewed when 60 days are left
    pki/admin.crt, admin.key     1 year, likewise; the kubeconfig is written anew with it

Key files are 0600, the directory 0700. `cryptography` is imported only when something has to be signed: reading what
is there needs only the `ssl` module, and a start stays small.
"""

from __future__ import annotations

import base64
import os
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

DAY = 86400
OWN_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
             "kubernetes.default.svc.cluster.local", "127.0.0.1", "::1")  # fmt: skip
CA_DAYS, LEAF_DAYS, RENEW_DAYS = 3650, 365, 60


class Certificates:
    """The files of one cluster. Constructing it makes or renews what is missing or near its end.

    The server's certificate is for loopback and the cluster's own names, and for `names`: host names and addresses.
    """

    def __init__(self, directory: Path, names: tuple[str, ...] = ()) -> None:
        self._directory = directory
        self._names = names
        self._expiry = 0.0
        self.renew()

    def renew(self) -> bool:
        """Make what is missing or has less than 60 days left. Returns whether anything changed."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(self._directory, 0o700)
        changed = False
        if not self._is_good("ca"):
            self._issue_ca()
            changed = True
        for name in ("server", "admin"):
            if changed or not self._is_good(name):
                self._issue(name)
                changed = True
        return changed

    def _is_good(self, name: str) -> bool:
        certificate, key = self._path(name, "crt"), self._path(name, "key")
        if not certificate.exists() or not key.exists():
            return False
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)  # do they belong together?
            decoded = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
            if name == "server" and not set(map(_plain, self._names)) <= {
                _plain(value) for _, value in decoded.get("subjectAltName", ())
            }:
                return False
            return bool(ssl.cert_time_to_seconds(decoded["notAfter"]) - time.time() > RENEW_DAYS * DAY)
        except (ssl.SSLError, OSError, KeyError, ValueError):
            return False

    def _path(self, name: str, kind: str) -> Path:
        return self._directory / f"{name}.{kind}"

    def server_context(self) -> ssl.SSLContext:
        """TLS for the API server: client certificates of our CA are asked for and checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load_into(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Use the current server certificate, and trust the current CA, for new connections."""
        context.load_verify_locations(self._path("ca", "crt"))
        context.load_cert_chain(self._path("server", "crt"), self._path("server", "key"))

    def kubeconfig(self, server: str, name: str = "k9lite") -> str:
        """A kubeconfig for the administrator, with all keys in it."""

        def data(file: str, kind: str) -> str:
            return base64.b64encode(self._path(file, kind).read_bytes()).decode()

        return (
            "apiVersion: v1\n"
            "kind: Config\n"
            "clusters:\n"
            f"- name: {name}\n"
            "  cluster:\n"
            f"    certificate-authority-data: {data('ca', 'crt')}\n"
            f"    server: {server}\n"
            "contexts:\n"
            f"- name: {name}\n"
            "  context:\n"
            f"    cluster: {name}\n"
            f"    user: {name}\n"
            f"current-context: {name}\n"
            "users:\n"
            f"- name: {name}\n"
            "  user:\n"
            f"    client-certificate-data: {data('admin', 'crt')}\n"
            f"    client-key-data: {data('admin', 'key')}\n"
        )

    # Signing -----------------------------------------------------------------------------------------
    def _issue_ca(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        key = _new_key()
        subject = _subject("k9lite-ca")
        certificate = (
            _builder(subject, subject, key, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._write("ca", certificate, key)

    def _issue(self, name: str) -> None:
        import ipaddress

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        ca = x509.load_pem_x509_certificate(self._path("ca", "crt").read_bytes())
        ca_key = serialization.load_pem_private_key(self._path("ca", "key").read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = _new_key()
        server = name == "server"
        subject = _subject("k9lite") if server else _subject("kubernetes-admin", "system:masters")
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(subject, ca.subject, key, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if server:
            names: list[x509.GeneralName] = []
            for each in dict.fromkeys((*OWN_NAMES, *self._names)):
                try:
                    names.append(x509.IPAddress(ipaddress.ip_address(each)))
                except ValueError:
                    names.append(x509.DNSName(each))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self._write(name, builder.sign(ca_key, hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives import serialization

        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _replace(self._path(name, "key"), secret, 0o600)
        _replace(self._path(name, "crt"), certificate.public_bytes(pem), 0o644)


def _plain(name: str) -> str:
    """An address in its one shortest form, a name in lower case."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _replace(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    temporary.replace(path)


def _new_key() -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _subject(common_name: str, organization: str = "") -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509

    start = datetime.now(UTC) - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=sign, crl_sign=sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip
