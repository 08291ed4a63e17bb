"""A shell in a pod and the pod's own program, in the terminal that the app has left meanwhile."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from tests.support.cluster import cluster
from tests.support.images import IMAGE, ensure_image
from tests.support.terminal import SECONDS, terminal

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(10 * SECONDS),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


async def test_shell_and_attach() -> None:
    async with cluster() as made, terminal(made.home.parent / "t", made.environment) as shown:
        script = 'while :; do echo "it is alive"; sleep 0.2; done'
        await made.ok("run", "one", "--image=host", "--restart=Never", "--", "sh", "-c", script)
        await made.ok("wait", "--for=condition=Ready", "pod/one", "--timeout=40s")
        await shown.open((sys.executable, "-m", "k9lite"), (140, 40))
        await shown.until(r"one +1/1")

        await shown.keys("Tab", "s")
        await shown.until("in container one of pod one; exit or ctrl\\+d returns to k9lite", absent="Pods default")
        await shown.type("echo $((6 * 7)) from $HOSTNAME; tty")
        await shown.keys("Enter")
        await shown.until(r"(?s)42 from .*/dev/pts/\d+")
        await shown.keys("C-c")  # the shell's, not the app's
        await made.ok("run", "two", "--image=host", "--restart=Never", "--", "sleep", "600")
        await made.ok("wait", "--for=condition=Ready", "pod/two", "--timeout=40s")
        await shown.type("exit 0")
        await shown.keys("Enter")
        await shown.until(r"(?s)two +1/1.*left the shell of pod one", absent="returns to k9lite")

        await shown.keys("Home", "a")
        await shown.until(r"(?s)attached to container one of pod one; ctrl\+c returns.*it is alive")
        await shown.keys("C-c")
        await shown.until("left pod one", absent="it is alive")

        await shown.keys("Down", "d")
        await shown.until("Describe pod two")
        await shown.keys("Escape")
        await shown.until("Pods default", absent="Describe pod")
        await shown.keys("q")
        await shown.until_ended()
        assert not shown.said()


@pytest.mark.docker
async def test_a_program_that_reads_a_terminal_is_left_by_a_key_of_its_own() -> None:
    ensure_image()
    async with cluster("docker") as made, terminal(made.home.parent / "t", made.environment) as shown:
        script = "while :; do echo it is alive; sleep 1; done"
        container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", script], "stdin": True, "tty": True}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container]}}
        await made.ok("apply", "-f", "-", stdin=json.dumps(pod).encode())
        await made.ok("wait", "--for=condition=Ready", "pod/web", "--timeout=40s")
        await shown.open((sys.executable, "-m", "k9lite"), (140, 40))
        await shown.until(r"web +1/1")
        for _ in range(2):
            await shown.keys("Tab", "a")
            await shown.until(r"(?s)attached to container c of pod web; ctrl\+\] returns.*alive", absent="Pods default")
            await shown.keys("C-]")
            await shown.until(r"(?s)web +1/1.*left pod web", absent="attached")
            await shown.keys("BTab")
        await shown.keys("Tab", "s")
        await shown.until("sh in container c of pod web; exit or ctrl", absent="Pods default")
        await shown.keys("C-d")
        await shown.until(r"left the shell of pod web", absent="returns to k9lite")
        await shown.keys("q")
        await shown.until_ended()
        assert not shown.said()
