"""Reading command lines, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from k9lite.api.catalog import PODS
from k9lite.cli.context import AppRequest
from k9lite.cli.main import run
from k9lite.cli.output import TablePrinter
from k9lite.cli.parser import COMMANDS, parse, serve_arguments
from k9lite.client.columns import elastic


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"k9lite {name}" in out
    assert "--kubeconfig FILE" in out


def test_the_whole_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert max(map(len, out.splitlines())) <= 110


def test_flags_may_stand_anywhere() -> None:
    parsed = parse(["-n", "a", "get", "pods", "-o", "wide", "x", "--home", "/h", "y"])
    assert parsed.name == "get"
    assert parsed.args.resources == ["pods", "x", "y"]
    assert (parsed.args.namespace, parsed.args.output, parsed.args.home) == ("a", "wide", "/h")


def test_switches_take_a_value() -> None:
    assert parse(["delete", "pod", "x"]).args.wait is True
    assert parse(["delete", "pod", "x", "--wait=false"]).args.wait is False
    assert parse(["delete", "pod", "--all=true"]).args.all is True


def test_what_follows_two_dashes_is_a_command() -> None:
    parsed = parse(["create", "deployment", "x", "--image=host", "--", "run", "-n", "--", "1"])
    assert parsed.after == ["run", "-n", "--", "1"]


def test_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = serve_arguments(["--home", str(tmp_path), "serve", "--engine=process"])
    assert served is not None
    assert (served.settings.home, served.settings.engine, served.reset) == (tmp_path, "process", False)
    assert serve_arguments(["get", "serve"]) is None
    assert serve_arguments([]) is None
    with pytest.raises(SystemExit):
        serve_arguments(["serve", "--engine=magic"])
    assert capsys.readouterr().err == (
        "Error: --engine: 'magic' is not a valid value for engine: must be one of docker, process\n"
    )


def test_settings_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--api-port=x"]) == 1
    assert capsys.readouterr().err.startswith("Error: --api-port: 'x' is not a valid value for api_port")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == run(["--version"]) == 0
    assert capsys.readouterr().out.count("k9lite ") == 2


def test_columns_are_as_wide_as_a_run_of_lines_needs() -> None:
    assert elastic([["a", "b"], ["long", "c"], ["alone"], ["x", "y"]]) == ["a     b", "long  c", "alone", "x  y"]


def test_tables_look_like_kubectls() -> None:
    definitions = [{"name": "Name"}, {"name": "Ready"}, {"name": "IP", "priority": 1}]
    rows = [{"cells": ["a-long-name", "1/1", "10.0.0.1"]}, {"cells": ["b", None, "x\ny"]}]
    table = {"columnDefinitions": definitions, "rows": rows}
    assert TablePrinter(PODS).text(table) == "NAME          READY\na-long-name   1/1\nb             <none>\n"
    printer = TablePrinter(PODS, wide=True, with_event=True)
    assert printer.text(table, "ADDED").splitlines()[2] == "ADDED   b             <none>   x..."
    assert (
        printer.text({"columnDefinitions": None, "rows": rows[1:]}, "MODIFIED")
        == "MODIFIED   b             <none>   x...\n"
    )


def test_a_mistake_opens_no_app() -> None:
    seen: list[AppRequest] = []

    def open_app(request: AppRequest) -> int:
        seen.append(request)
        return 0

    assert run(["stop", "--bogus"], open_app=open_app) == 1
    assert seen == []
