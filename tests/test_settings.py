"""Settings: precedence, and every problem named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from k9lite.settings import Settings, SettingsError, load


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("api_port: 1001\nengine: process\nlog_max_files: 7\n")
    environ = {"K9LITE_HOME": str(tmp_path), "K9LITE_API_PORT": "1002", "K9LITE_ENGINE": "docker"}
    settings = load({"engine": "process"}, environ)
    assert (settings.engine, settings.api_port, settings.log_max_files) == ("process", 1002, 7)
    assert settings.node_port_min == 30000


def test_every_problem_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config/config.yaml"
    file.write_text("api_prot: 1\nlog_max_files: many\n")
    with pytest.raises(SettingsError) as caught:
        load({"api_port": "x"}, {"K9LITE_HOME": str(tmp_path), "K9LITE_ENGINE": "rkt"})
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert f"{file}: unknown setting 'api_prot'" in text
    assert f"{file}: log_max_files: 'many'" in text
    assert "--api-port: 'x'" in text
    assert "K9LITE_ENGINE: 'rkt' is not a valid value for engine: must be one of docker, process" in text


@pytest.mark.parametrize("content", ["- a\n", "a: [\n", "\x00"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(content)
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        load({}, {"K9LITE_HOME": str(tmp_path)})


def test_a_node_port_range_must_be_one() -> None:
    with pytest.raises(SettingsError, match="31000-30000"):
        load({"node_port_min": 31000, "node_port_max": 30000}, {})


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("API_PORT", "99999", "must be 0 to 65535"),
        ("API_PORT", "-1", "must be 0 to 65535"),
        ("API_PORT", "1.5", "must be a whole number"),
        ("DRAIN_SECONDS", "nan", "must be at least 0"),
        ("DRAIN_SECONDS", "soon", "must be a number"),
        ("LOG_MAX_FILES", "0", "must be 1 to 1000"),
        ("SERVICE_CIDR", "10.0.0.0", "must be a network such as"),
        ("SERVICE_CIDR", "here", "must be a network such as"),
        ("NODE_PORT_ADDRESSES", "0.0.0.0,here", "must be IP addresses"),
    ],
)
def test_values_out_of_their_bounds_are_refused(name: str, value: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"K9LITE_{name}: '{value}' is not a valid value .*{why}"):
        load({}, {f"K9LITE_{name}": value})


def test_another_process_gets_the_same_settings(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine="process", api_port=5, drain_seconds=2.5)
    assert load({}, settings.environment()) == settings


def test_the_proxy_socket_fits_the_system_limit(tmp_path: Path) -> None:
    assert len(str(Settings(home=tmp_path / ("x" * 120)).proxy_socket)) < 100
    assert Settings(home=Path("/h")).proxy_socket == Path("/h/data/run/proxy.sock")
