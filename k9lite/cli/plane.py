"""The control plane as a whole: version, status, stop, reset, kubeconfig."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Coroutine
from typing import Any

from k9lite import __version__, local
from k9lite.cli.context import CommandError, Context
from k9lite.cli.parser import Switch

STOP_SECONDS = 30.0
STOP_PODS_SECONDS = 150.0
"""Every pod gets its grace period (30 s by default), after its requests have drained."""


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    if name == "stop":
        parser.add_argument("--pods", action=Switch, help="stop the pods too; the next start runs them again")
    elif name == "reset":
        parser.add_argument("-y", "--yes", action=Switch, help="do not ask")
    elif name == "status":
        parser.add_argument("-o", "--output", choices=["json"], default="", help="print as JSON")
    elif name == "kubeconfig":
        parser.add_argument("--merge", action=Switch, help="put the context k9lite into $KUBECONFIG or ~/.kube/config")


def run(context: Context, name: str) -> int | Coroutine[None, None, int]:
    if name == "version":
        print(f"k9lite {__version__}")
        return 0
    commands = {"status": _status, "stop": _stop, "reset": _reset, "kubeconfig": _kubeconfig}
    return commands[name](context)


async def _ask(context: Context, method: str, path: str, body: Any = None) -> Any:
    from k9lite.client.rest import KubeClient

    async with KubeClient.from_kubeconfig(context.settings.kubeconfig) as client:
        return await client.request(method, f"/k9lite/v1/{path}", body=body)


async def _status(context: Context) -> int:
    running = local.find(context.settings)
    wants_json = context.args.output == "json"
    if running is None:
        print(
            '{"running": false}' if wants_json else f"The control plane is not running (data {context.settings.data})"
        )
        return 0
    status = await _ask(context, "GET", "status")
    if wants_json:
        import json

        print(json.dumps({"running": True, **status}, indent=4))
        return 0
    from k9lite.api.printing import age

    since = age(status.get("startedAt"), time.time())
    rows = [
        ["Control plane:", f"running, pid {status.get('pid')}, since {since}"],
        ["Version:", str(status.get("version"))],
        ["API:", f"https://127.0.0.1:{status.get('port')}"],
        ["Engine:", str(status.get("engine"))],
        ["Cluster:", str(status.get("cluster"))],
        ["Data:", str(status.get("data"))],
        ["Log:", str(context.settings.logs / "serve.log")],
        ["Kubeconfig:", str(context.settings.kubeconfig)],
    ]
    from k9lite.client.columns import elastic

    print("\n".join(elastic(rows)))
    return 0


async def _stop(context: Context) -> int:
    running, pods = local.find(context.settings), bool(context.args.pods)
    if running is None and pods and context.settings.kubeconfig.exists():
        local.ensure_running(context.settings, context.say)  # only a control plane can end its pods in order
        running = local.find(context.settings)
    if running is None:
        print("The control plane is not running")
        return 0
    await _shut_down(context, running, pods)
    print(f"Stopped the control plane (pid {running.pid}), the proxy{' and the pods' if pods else ''}")
    return 0


async def _shut_down(context: Context, running: local.Running, pods: bool) -> None:
    from k9lite.api.errors import ApiError
    from k9lite.client.errors import ClientError

    try:
        await _ask(context, "POST", "shutdown", {"pods": pods})
    except (ApiError, ClientError) as error:
        context.say(f"The control plane does not answer ({error}); ending it by SIGTERM")
        local.terminate(running)
    local.wait_until_gone(running, STOP_PODS_SECONDS if pods else STOP_SECONDS)


async def _reset(context: Context) -> int:
    settings = context.settings
    name = _cluster_name(context)
    if not name:
        print(f"Nothing to remove: there is no cluster in {settings.data}")
        return 0
    if not context.args.yes:
        _confirm(name, str(settings.data))
    running = local.find(settings)
    if running is not None:
        await _shut_down(context, running, pods=False)
    local.reset(settings)
    print(f"Removed cluster {name}: its pods, proxy and data in {settings.data}")
    return 0


def _cluster_name(context: Context) -> str:
    """The cluster's id; empty where no cluster is. One with a damaged file can still be removed."""
    import json

    path = context.settings.data / "cluster.json"
    if not path.exists():
        return ""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"


def _confirm(name: str, place: str) -> None:
    """Raises CommandError unless the name is typed."""
    if not sys.stdin.isatty():
        raise CommandError(f"reset removes everything in {place}; without a terminal to ask, it needs --yes")
    print(f"This removes all deployments, pods, services and data of cluster {name} in {place}.", file=sys.stderr)
    print(f"Type {name} to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise CommandError("not removed: the name was not typed")


async def _kubeconfig(context: Context) -> int:
    path = context.kubeconfig()
    assert path is not None or not context.is_local
    if path is None:
        raise CommandError("kubeconfig prints the local cluster's; leave --context out")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    if context.args.merge:
        _merge(text, str(path))
    else:
        print(text, end="")
    return 0


def _merge(text: str, source: str) -> None:
    """Put our context where kubectl will find it: the file that has it, else kubectl's first, made if need be."""
    from k9lite.client import kubeconfig_merge as merging
    from k9lite.client.kubeconfig import contexts, default_paths
    from k9lite.client.yamlio import parse_yaml

    paths = default_paths()
    existing = [path for path in paths if path.exists()]
    target = next((path for path in existing if merging.NAME in contexts(path)), (existing or paths)[0])
    is_current = merging.merge_file(target, merging.marked(parse_yaml(text, source)))
    print(f"Merged context {merging.NAME} into {target}")
    if not is_current:
        print(f"Use it with: kubectl --context {merging.NAME}, or kubectl config use-context {merging.NAME}")
