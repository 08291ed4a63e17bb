"""`k9lite token`: bearer tokens for people and programs that should not have the administrator's certificate."""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import time
from typing import Any

from k9lite.api.errors import ApiError
from k9lite.api.printing import age, human_duration
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.client.rest import KubeClient
from k9lite.clock import parse_rfc3339

ROLES = ("admin", "edit", "view")
PATH = "/k9lite/v1/tokens"
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("action", nargs="?", choices=["create", "list", "delete"], default="list")
    parser.add_argument("ids", nargs="*", metavar="ID", help="tokens to delete")
    parser.add_argument("--role", choices=ROLES, help="what the token may do; for one namespace with -n, else for all")
    parser.add_argument("--duration", metavar="TIME", default="", help="how long it is good, as 12h or 30d (for ever)")
    parser.add_argument("-o", "--output", choices=["json", "kubeconfig"], default="",
                        help="print as JSON; or, for create, a whole kubeconfig with the token in it")  # fmt: skip


async def run(context: Context, _: str) -> int:
    args = context.args
    if args.ids and args.action != "delete":
        raise UsageError(f"unexpected argument: {args.ids[0]}")
    async with context.client() as client:
        try:
            if args.action == "create":
                await _create(context, client)
            elif args.action == "delete":
                await _delete(client, args.ids)
            else:
                await _list(context, client)
        except ApiError as error:
            if error.code == 404 and error.message == "the server could not find the requested resource":
                raise CommandError(
                    "that server is not k9lite's: it has no tokens of this kind (kubectl create token)"
                ) from error
            raise
    return 0


async def _create(context: Context, client: KubeClient) -> None:
    args = context.args
    if not args.role:
        raise UsageError(f"which role? --role {'|'.join(ROLES)}")
    body = {
        "role": args.role,
        "namespace": context.arg("namespace") or "",
        "seconds": _seconds(args.duration) if args.duration else 0,
    }
    made: dict[str, Any] = await client.request("POST", PATH, body=body)
    if args.output == "json":
        print(json.dumps(made, indent=4))
    elif args.output == "kubeconfig":
        print(_kubeconfig(client, made), end="")
    else:
        print(made["token"])
    where = f"namespace {made['namespace']}" if made["namespace"] else "all namespaces"
    until = f"until {made['expires']}" if made["expires"] else "until it is deleted"
    context.say(f"Token {made['id']}: {made['role']} in {where}, {until}. It is shown only this once.")


async def _delete(client: KubeClient, ids: list[str]) -> None:
    if not ids:
        raise UsageError("which token? 'k9lite token list' shows their ids")
    for identity in ids:
        if not re.fullmatch("[0-9a-f]{1,64}", identity):
            raise CommandError(f"\"{identity}\" is not the id of a token; 'k9lite token list' shows them")
        await client.request("DELETE", f"{PATH}/{identity}")
        print(f"token {identity} deleted")


async def _list(context: Context, client: KubeClient) -> None:
    from k9lite.client.columns import elastic

    tokens = (await client.request("GET", PATH))["items"]
    if context.args.output == "json":
        print(json.dumps(tokens, indent=4))
        return
    if not tokens:
        print("No tokens; 'k9lite token create --role view' makes one", file=sys.stderr)
        return
    now = time.time()
    rows = [["ID", "ROLE", "NAMESPACE", "AGE", "EXPIRES"]]
    for each in tokens:
        rows.append(
            [each["id"], each["role"], each["namespace"] or "<all>", age(each["created"], now), _expiry(each, now)]
        )
    print("\n".join(elastic(rows)))


def _expiry(token: dict[str, Any], now: float) -> str:
    if not token["expires"]:
        return "<never>"
    left = parse_rfc3339(token["expires"]) - now
    return f"in {human_duration(left)}" if left > 0 else "expired"


def _seconds(text: str) -> int:
    """`12h`, `1h30m`, `30d` in seconds. Raises CommandError."""
    match = _DURATION.fullmatch(text)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not total:
        raise CommandError(f"--duration {text!r} is no duration; write it as 30d, 12h, 1h30m or 90s")
    return total


def _kubeconfig(client: KubeClient, made: dict[str, Any]) -> str:
    """A kubeconfig for the token's user alone."""
    name, connection = f"k9lite-{made['role']}", client.connection
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "k9lite",
                "cluster": {
                    "certificate-authority-data": base64.b64encode(connection.ca).decode(),
                    "server": connection.server,
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": "k9lite", "user": name}}],
        "current-context": name,
        "users": [{"name": name, "user": {"token": made["token"]}}],
    }
    if made["namespace"]:
        content["contexts"][0]["context"]["namespace"] = made["namespace"]
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False))
