"""One settings dataclass: flags over environment (`K9LITE_*`) over `config.yaml` over defaults.

Each field's metadata holds what it means, its unit and why its default is what it is; CLI options, the
configuration file and the documentation are derived from it.

Places come from platformdirs; `K9LITE_HOME=DIR` puts all of them under DIR, so several clusters (and every
test) live side by side.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any


class SettingsError(Exception):
    """Settings that cannot be used: one line per problem, each naming the file or variable and the key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _setting(
    default: Any, doc: str, choices: tuple[str, ...] = (), bounds: tuple[float, float] = (0, float("inf"))
) -> Any:
    """`bounds` are the least and the greatest value of a number."""
    return field(default=default, metadata={"doc": doc, "choices": choices, "bounds": bounds})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Environment variable: `K9LITE_` + the field's name in capitals."""

    home: Path | None = _setting(None, "One directory for data, configuration, run files and logs.")
    data_dir: Path | None = _setting(
        None, "Where the log, keys and pod logs live. Default: the system's data directory."
    )
    engine: str = _setting(
        "",
        "Default engine, chosen once at the first start: docker if its socket answers, else process.",
        ("", "docker", "process"),
    )
    api_port: int = _setting(
        0, "Port of the API on 127.0.0.1. 0: 6445 if free (never with a home), else a free one.", bounds=(0, 65535)
    )
    api_names: str = _setting(
        "", "Comma-separated further names of the API, as clients reach it through a tunnel. None by default."
    )
    node_port_min: int = _setting(30000, "First NodePort, as upstream's --service-node-port-range.")
    node_port_max: int = _setting(32767, "Last NodePort, as upstream's --service-node-port-range.")
    node_port_addresses: str = _setting(
        "0.0.0.0", "Comma-separated addresses NodePorts listen on. All, as a NodePort means."
    )
    service_cidr: str = _setting("10.96.0.0/16", "Range of cluster IPs. Upstream's default network.")
    proxy_workers: int = _setting(0, "Proxy processes. 0: one per core, at most 4.", bounds=(0, 64))
    log_max_bytes: int = _setting(
        10 * 1024 * 1024,
        "Bytes of one container log file before it is rotated, as the kubelet's 10 MB.",
        bounds=(4096, 1 << 40),
    )
    log_max_files: int = _setting(3, "Log files kept per container, the current one included.", bounds=(1, 1000))
    history_seconds: int = _setting(7 * 24 * 3600, "Seconds of history kept for watches and time travel: a week.")
    history_bytes: int = _setting(512 * 1024 * 1024, "Bytes of history kept, whichever limit comes first.")
    event_ttl_seconds: int = _setting(3600, "Seconds an Event is kept, as upstream's --event-ttl.")
    drain_seconds: float = _setting(
        10.0, "Longest wait for a pod's open requests before SIGTERM; never over half its grace period."
    )

    # Places -------------------------------------------------------------------------------------------
    @property
    def data(self) -> Path:
        return self.data_dir or self._place("data")

    @property
    def config(self) -> Path:
        return self._place("config")

    @property
    def run(self) -> Path:
        """Sockets and pids; under the data directory so that each cluster has its own."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        return self._place("logs") if self.data_dir is None else self.data / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig that the control plane writes at its start (0600)."""
        return self.data / "admin.kubeconfig"

    @property
    def proxy_socket(self) -> Path:
        """Unix socket between control plane and proxy, on a short path where the system's limit asks for one."""
        path = self.run / "proxy.sock"
        if len(os.fsencode(path)) < 100:
            return path
        short = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return Path("/tmp") / f"k9lite-{os.getuid()}-{short}" / "proxy.sock"

    def _place(self, kind: str) -> Path:
        if self.home is not None:
            return self.home / kind
        import platformdirs

        dirs = platformdirs.PlatformDirs("k9lite", appauthor=False)
        return {"data": dirs.user_data_path, "config": dirs.user_config_path, "logs": dirs.user_log_path}[kind]

    def environment(self) -> dict[str, str]:
        """The variables that make another k9lite process use the same settings."""
        env: dict[str, str] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                env["K9LITE_" + item.name.upper()] = str(value)
        return env


def _convert(item: Field[Any], raw: Any) -> Any:
    kind = str(item.type)
    if "Path" in kind:
        return Path(str(raw)).expanduser().absolute()
    if kind in ("int", "float"):
        return _number(item, raw)
    choices = item.metadata["choices"]
    if choices and str(raw) not in choices:
        raise ValueError("must be one of " + ", ".join(choice for choice in choices if choice))
    if item.name in ("service_cidr", "node_port_addresses"):
        _check_addresses(item.name, str(raw))
    return str(raw)


def _check_addresses(name: str, text: str) -> None:
    """Raises ValueError unless it is a network for services, or a list of addresses."""
    import ipaddress

    if name == "service_cidr":
        try:
            enough = ipaddress.ip_network(text).num_addresses >= 16
        except ValueError:
            enough = False
        if not enough:
            raise ValueError("must be a network such as 10.96.0.0/16, of at least 16 addresses")
        return
    try:
        for part in text.split(","):
            ipaddress.ip_address(part.strip())
    except ValueError:
        raise ValueError("must be IP addresses of this machine, separated by commas") from None


def _number(item: Field[Any], raw: Any) -> int | float:
    """Raises ValueError for what is no number, or not one within the bounds."""
    whole, (least, most) = str(item.type) == "int", item.metadata["bounds"]
    try:
        if isinstance(raw, bool) or (whole and isinstance(raw, float)):
            raise ValueError
        value = int(raw) if whole else float(raw)
    except ValueError:
        raise ValueError(f"must be a {'whole ' if whole else ''}number") from None
    if not least <= value <= most:
        raise ValueError(f"must be at least {least}" if most == float("inf") else f"must be {least} to {most}")
    return value


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from flags, environment and `config.yaml`, in that order. SettingsError lists every problem."""
    environ = os.environ if environ is None else environ
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    by_name = {item.name: item for item in fields(Settings)}
    values: dict[str, Any] = {}
    problems: list[str] = []

    def take(name: str, raw: Any, where: str) -> None:
        try:
            values[name] = _convert(by_name[name], raw)
        except (TypeError, ValueError) as error:
            problems.append(f"{where}: {raw!r} is not a valid value for {name}: {error}")

    for name in by_name:
        variable = "K9LITE_" + name.upper()
        if name in given:
            take(name, given[name], f"--{name.replace('_', '-')}")
        elif environ.get(variable):
            take(name, environ[variable], variable)
    places = Settings(home=values.get("home"), data_dir=values.get("data_dir"))
    for name, raw, where in _file_values(places.config / "config.yaml", by_name, problems):
        if name not in values and name not in ("home", "data_dir"):
            take(name, raw, where)
    if problems:
        raise SettingsError(problems)
    settings = Settings(**values)
    if not 1 <= settings.node_port_min <= settings.node_port_max <= 65535:
        raise SettingsError(
            [f"node ports {settings.node_port_min}-{settings.node_port_max} are not a range within 1-65535"]
        )
    return settings


def _file_values(path: Path, known: Mapping[str, Any], problems: list[str]) -> list[tuple[str, Any, str]]:
    """(name, raw value, where) for each known key of the file; what cannot be read goes into `problems`."""
    if not path.exists():
        return []
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{path}: cannot be read: {error}")
        return []
    if not isinstance(content, dict):
        problems.append(f"{path}: must be a mapping of setting to value")
        return []
    for key in content:
        if key not in known:
            problems.append(f"{path}: unknown setting {key!r}; known are {', '.join(known)}")
    return [(key, raw, f"{path}: {key}") for key, raw in content.items() if key in known]


def default_of(item: Field[Any]) -> Any:
    """A field's default, for help texts."""
    return None if item.default is MISSING else item.default
