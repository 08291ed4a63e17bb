"""Finding and starting the control plane process."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from k9lite import local
from k9lite.settings import Settings


def announce(settings: Settings, pid: int, port: int) -> None:
    settings.run.mkdir(parents=True, exist_ok=True)
    (settings.run / "serve.json").write_text(json.dumps({"pid": pid, "port": port}))


def test_only_a_live_process_that_answers_is_found(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert local.find(settings) is None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        announce(settings, os.getpid(), port)
        assert local.find(settings) == local.Running(os.getpid(), port)
        announce(settings, 2**22 + 1, port)
        assert local.find(settings) is None
    announce(settings, os.getpid(), port)
    assert local.find(settings) is None
    (settings.run / "serve.json").write_text("{")
    assert local.find(settings) is None


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine="process", api_port=1, node_port_min=5, node_port_max=4)
    said: list[str] = []
    with pytest.raises(local.LocalError) as raised:
        local.ensure_running(settings, said.append)
    assert "node ports 5-4 are not a range within 1-65535" in str(raised.value)
    assert said[0].startswith("Starting the control plane in the background (pid ")
    assert str(tmp_path / "logs/serve.log") in said[0]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(local.LocalError, match=r"the control plane cannot be started: .*Not a directory"):
        local.ensure_running(Settings(home=tmp_path / "file"), print)
