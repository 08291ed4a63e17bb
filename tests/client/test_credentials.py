"""Credentials: tokens, files, plug-ins, certificates, impersonation; proxies; and that nothing secret leaks."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.apiserver.certificates import Certificates
from k9lite.client import exec_plugins, kubeconfig, tls
from k9lite.client.credentials import TOKEN_FILE_SECONDS, Credentials
from k9lite.client.errors import ConnectionLost, KubeconfigError
from k9lite.client.kubeconfig import Connection
from k9lite.client.proxies import proxy_of
from k9lite.client.rest import KubeClient
from k9lite.local import is_alive
from tests.support.clock import FakeClock
from tests.support.other_server import other_server
from tests.support.wait import eventually

V1 = "client.authentication.k8s.io/v1"
BETA = "client.authentication.k8s.io/v1beta1"


def plugin(directory: Path, body: str, **entry: Any) -> dict[str, Any]:
    """The exec entry of a shell script."""
    path = directory / "plugin.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {"apiVersion": V1, "command": str(path), **entry}


def printing(status: dict[str, Any], version: str = V1) -> str:
    credential = json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status})
    return f"cat <<'END'\n{credential}\nEND"


def using(entry: dict[str, Any], **options: Any) -> Connection:
    return Connection("https://x", context="c", exec_plugin=entry, **options)


async def bearer(credentials: Credentials) -> str:
    return dict(await credentials.headers()).get("Authorization", "")


# Plug-ins ------------------------------------------------------------------------------------------------
async def test_a_token_of_a_plug_in_is_kept_until_it_expires_or_is_refused(tmp_path: Path) -> None:
    count = tmp_path / "count"
    body = (
        f"echo x >> {count}; n=$(wc -l < {count})\n"
        f'echo "{{\\"kind\\":\\"ExecCredential\\",\\"apiVersion\\":\\"{V1}\\",\\"status\\":'
        '{\\"token\\":\\"t$n\\",\\"expirationTimestamp\\":\\"2023-11-14T23:13:20Z\\"}}"'
    )
    clock = FakeClock()  # an hour before that
    credentials = Credentials(using(plugin(tmp_path, body)), clock)
    assert await bearer(credentials) == "Bearer t1"
    await clock.advance(3500)
    assert await bearer(credentials) == "Bearer t1"
    assert credentials.refused(credentials.renewals)
    assert await bearer(credentials) == "Bearer t2"
    assert credentials.refused(1)  # an answer to the old one that came late: not a reason to run it again
    assert await bearer(credentials) == "Bearer t2"
    await clock.advance(100)
    assert await bearer(credentials) == "Bearer t3"


async def test_many_requests_at_once_run_a_plug_in_once(tmp_path: Path) -> None:
    count = tmp_path / "count"
    credentials = Credentials(using(plugin(tmp_path, f"echo x >> {count}\n" + printing({"token": "t"}))))
    await asyncio.gather(*(credentials.headers() for _ in range(10)))
    assert count.read_text() == "x\n"


@pytest.mark.parametrize("version", [V1, BETA])
async def test_a_plug_in_gets_its_variables_the_cluster_and_no_terminal(tmp_path: Path, version: str) -> None:
    out = tmp_path / "out"
    body = (
        f'printf "%s" "$KUBERNETES_EXEC_INFO" > {out}; printf "%s|" "$COLOUR" "$1" > {out}.env\n'
        f"cat > {out}.stdin\n(exec < /dev/tty) 2>/dev/null && touch {out}.tty\n" + printing({"token": "t"}, version)
    )
    entry = plugin(
        tmp_path, body, apiVersion=version, args=["--now"], env=[{"name": "COLOUR", "value": "red"}],
        provideClusterInfo=True, interactiveMode="IfAvailable",
    )  # fmt: skip
    certificates = Certificates(tmp_path / "pki")
    certificates.kubeconfig("https://x")
    connection = using(entry, ca=(tmp_path / "pki/ca.crt").read_bytes(), exec_config={"audience": "a"})
    assert await bearer(Credentials(connection)) == "Bearer t"
    info = json.loads(out.read_text())
    assert info["apiVersion"] == version
    assert info["spec"]["interactive"] is False
    assert info["spec"]["cluster"]["server"] == "https://x"
    assert info["spec"]["cluster"]["config"] == {"audience": "a"}
    assert info["spec"]["cluster"]["certificate-authority-data"]
    assert (tmp_path / "out.env").read_text() == "red|--now|"
    assert (tmp_path / "out.stdin").read_text() == ""
    assert not (tmp_path / "out.tty").exists()


@pytest.mark.parametrize(
    ("body", "entry", "words"),
    [
        ("echo no such account >&2; exit 3", {"installHint": "Get it."}, "failed (3): no such account\nGet it."),
        ("echo hello", {}, "did not print an ExecCredential"),
        (printing({"token": "t"}, BETA), {}, f"is configured for {V1} and printed {BETA}"),
        (printing({}), {}, "printed neither a token nor a client certificate"),
        (printing({"clientCertificateData": "x"}), {}, "certificate without its key"),
        (printing({"token": "t", "expirationTimestamp": "soon"}), {}, "not RFC 3339: soon"),
        ("", {"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "supported are"),
        ("", {"interactiveMode": "Always"}, "needs the terminal"),
        ("", {"command": ""}, "an exec entry without a command"),
        ("", {"command": "no-such-plugin", "installHint": "Install it."}, "cannot be run: No such file or directory\nInst"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_plug_in_is_said(
    tmp_path: Path, body: str, entry: dict[str, Any], words: str
) -> None:
    with pytest.raises(KubeconfigError) as raised:
        await Credentials(using({**plugin(tmp_path, body), **entry}, user="u")).headers()
    assert words in str(raised.value)


async def test_a_plug_in_that_hangs_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_plugins, "PLUGIN_SECONDS", 0.3)
    with pytest.raises(KubeconfigError, match="did not end within"):
        await Credentials(using(plugin(tmp_path, f"sleep 600 & echo $! > {tmp_path}/pid; wait"))).headers()
    pid = int((tmp_path / "pid").read_text())
    await eventually(lambda: not is_alive(pid))


async def test_a_command_with_a_slash_is_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    plugin(tmp_path, printing({"token": "near"}))
    (tmp_path / "config").write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://x'}}]\n"
        f"users: [{{name: u, user: {{exec: {{apiVersion: {V1}, command: ./plugin.sh}}}}}}]\n"
    )
    assert await bearer(Credentials(kubeconfig.load(tmp_path / "config"))) == "Bearer near"


async def test_one_401_is_answered_by_fresh_credentials_and_a_second_one_is_told(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    async with other_server(token="old") as server:
        server.write("a")
        async with KubeClient(server.connection(token_file=token)) as client:
            assert len((await client.list(PODS))["items"]) == 1
            server.does.token = "new"
            token.write_text("new")
            assert len((await client.list(PODS))["items"]) == 1
            assert server.requests["unauthorized"] == 1
            server.does.token = "another"
            with pytest.raises(ApiError, match="Unauthorized"):
                await client.list(PODS)
            assert server.requests["unauthorized"] == 3


# Others --------------------------------------------------------------------------------------------------
async def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", FakeClock()
    path.write_text("one\n")
    credentials = Credentials(Connection("http://x", token="ignored", token_file=path), clock)
    assert await bearer(credentials) == "Bearer one"
    path.write_text("two\n")
    assert await bearer(credentials) == "Bearer one"
    await clock.advance(TOKEN_FILE_SECONDS)
    assert await bearer(credentials) == "Bearer two"
    path.unlink()
    await clock.advance(TOKEN_FILE_SECONDS)
    with pytest.raises(KubeconfigError, match="token cannot be read: No such file"):
        await credentials.headers()


async def test_names_and_passwords_and_impersonation_are_headers(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://x'}}]\n"
        "users: [{name: u, user: {username: me, password: pw, as: ann, as-groups: [a, b], as-user-extra: {k: [v]}}}]\n"
    )
    assert await Credentials(kubeconfig.load(tmp_path / "config")).headers() == [
        ("Impersonate-User", "ann"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b"),
        ("Impersonate-Extra-k", "v"), ("Authorization", "Basic bWU6cHc="),
    ]  # fmt: skip


def test_a_pod_has_its_service_account(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert kubeconfig.in_cluster(environ, tmp_path) is None
    for name, content in (("token", "t"), ("ca.crt", "PEM"), ("namespace", "shop\n")):
        (tmp_path / name).write_text(content)
    connection = kubeconfig.in_cluster(environ, tmp_path)
    assert connection is not None
    assert (connection.server, connection.namespace, connection.token_file, connection.ca) == (
        "https://[fd00::1]:443", "shop", tmp_path / "token", b"PEM",
    )  # fmt: skip
    assert kubeconfig.in_cluster({}, tmp_path) is None


# Certificates ----------------------------------------------------------------------------------------------
class Authority:
    """A server with TLS that asks for client certificates, and says whose it got."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificates = Certificates(directory)
        self.kubeconfig = directory / "kubeconfig"

    async def start(self) -> tuple[web.AppRunner, int]:
        async def who(request: web.Request) -> web.Response:
            assert request.transport is not None
            peer = request.transport.get_extra_info("peercert")
            names = [value for part in (peer or {}).get("subject", ()) for key, value in part if key == "commonName"]
            return web.json_response({"who": names})

        app = web.Application()
        app.router.add_get("/who", who)
        runner = web.AppRunner(app)
        await runner.setup()
        context = self.certificates.server_context()
        context.verify_mode = ssl.CERT_OPTIONAL
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        self.kubeconfig.write_text(self.certificates.kubeconfig(f"https://127.0.0.1:{port}"))
        return runner, port


async def test_certificates_of_kubeconfig_and_plug_in_are_used_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "tmp"
    empty.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(empty))
    authority = Authority(tmp_path / "pki")
    runner, port = await authority.start()
    try:
        own = kubeconfig.load(authority.kubeconfig)
        async with KubeClient(own) as client:
            admin = (await client.request("GET", "/who"))["who"]
            assert len(admin) == 1
        issued = {"clientCertificateData": own.certificate.decode(), "clientKeyData": own.key.decode()}
        entry = plugin(tmp_path, printing(issued))
        asked = Connection(f"https://127.0.0.1:{port}", ca=own.ca, exec_plugin=entry)
        async with KubeClient(asked) as client:
            assert (await client.request("GET", "/who"))["who"] == admin
        nobody = Connection(f"https://127.0.0.1:{port}", ca=own.ca)
        async with KubeClient(nobody) as client:
            assert (await client.request("GET", "/who"))["who"] == []
        named = Connection(f"https://127.0.0.1:{port}", ca=own.ca, tls_server_name="elsewhere.example.com")
        async with KubeClient(named) as client:
            with pytest.raises(ConnectionLost, match=r"not trusted.*elsewhere\.example\.com"):
                await client.request("GET", "/who")
        async with KubeClient(Connection(f"https://127.0.0.1:{port}")) as client:
            with pytest.raises(ConnectionLost, match="certificate is not trusted"):
                await client.request("GET", "/who")
        async with KubeClient(Connection(f"https://127.0.0.1:{port}", insecure=True)) as client:
            assert (await client.request("GET", "/who"))["who"] == []
    finally:
        await runner.cleanup()
    assert list(empty.iterdir()) == []


def test_without_memory_files_a_private_file_lives_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with tls._readable(b"secret") as path:
        assert Path(path).parent == tmp_path
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert Path(path).read_bytes() == b"secret"
    assert list(tmp_path.iterdir()) == []


def test_rubbish_certificates_are_named() -> None:
    with pytest.raises(KubeconfigError, match='the certificates of context "c" cannot be used'):
        Credentials(Connection("https://x", context="c", certificate=b"x", key=b"y"))


# Secrets ---------------------------------------------------------------------------------------------------
async def test_nothing_secret_is_in_reprs_logs_or_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cret-value"
    entry = plugin(tmp_path, printing({"token": secret}), env=[{"name": "KEY", "value": secret}])
    for connection in (
        Connection("http://127.0.0.1:1", token=secret, proxy_url=f"http://me:{secret}@127.0.0.1:1"),
        Connection("http://127.0.0.1:1", username="me", password=secret, key=secret.encode()),
        Connection("http://127.0.0.1:1", exec_plugin=entry, exec_config={"key": secret}),
    ):
        client = KubeClient(connection)
        with pytest.raises(ConnectionLost) as raised:
            await client.list(PODS)
        await client.close()
        assert secret not in f"{connection!r} {client!r} {raised.value!r} {raised.value}"
    issued = await exec_plugins.run(using(entry))
    assert issued.token == secret
    assert secret not in repr(issued)
    broken = plugin(tmp_path, f'echo \'{{"kind":"ExecCredential","status":"{secret}"}}\'')
    with pytest.raises(KubeconfigError) as refused:
        await exec_plugins.run(using(broken))
    assert secret not in str(refused.value)
    assert secret not in caplog.text


# Proxies ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("server", "no_proxy", "expected"),
    [
        ("https://api.example.com:6443", "", "http://proxy:3128"),
        ("https://api.example.com:6443", "example.com", None),
        ("https://example.com", "example.com", None),
        ("https://example.com", ".example.com", "http://proxy:3128"),
        ("https://api.example.com", "*.example.com", None),
        ("https://badexample.com", "example.com", "http://proxy:3128"),
        ("https://api.example.com:6443", "api.example.com:443", "http://proxy:3128"),
        ("https://api.example.com", "api.example.com:443", None),
        ("https://10.1.2.3:6443", "192.168.0.0/16, 10.0.0.0/8", None),
        ("https://10.1.2.3:6443", "10.1.2.4", "http://proxy:3128"),
        ("https://[fd00::1]:6443", "fd00::1", None),
        ("https://x", "*", None),
        ("https://127.0.0.1:6443", "", None),
        ("https://localhost:6443", "", None),
        ("http://api.example.com", "", None),
    ],
)
def test_the_environment_chooses_the_proxy(server: str, no_proxy: str, expected: str | None) -> None:
    assert proxy_of(server, "", {"HTTPS_PROXY": "proxy:3128", "NO_PROXY": no_proxy}) == expected
    assert proxy_of(server, "", {"https_proxy": "http://proxy:3128", "no_proxy": no_proxy}) == expected


def test_the_kubeconfig_chooses_first_and_unknown_proxies_are_refused() -> None:
    assert proxy_of("http://127.0.0.1", "http://p:1", {"NO_PROXY": "*"}) == "http://p:1"
    with pytest.raises(KubeconfigError, match="socks5:// is not supported"):
        proxy_of("http://x", "socks5://p:1", {})


async def test_a_request_goes_through_the_proxy() -> None:
    async with other_server() as server:
        server.write("a")
        connection = Connection("http://cluster.invalid", proxy_url=server.url, token="t")
        async with KubeClient(connection) as client:
            assert len((await client.list(PODS))["items"]) == 1
        assert server.headers[-1]["host"] == "cluster.invalid"
