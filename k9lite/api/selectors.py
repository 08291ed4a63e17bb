"""Label and field selectors. Source: k8s.io/apimachinery/pkg/labels and /fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from k9lite.api.errors import ApiError, bad_request
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.api.resources import Resource

_REQUIREMENT = re.compile(
    r"^\s*(?:(?P<absent>!)\s*(?P<akey>[^\s=!,()]+)|(?P<key>[^\s=!,()]+)"
    r"(?:\s*(?P<op>==|=|!=)\s*(?P<value>[^\s=!,()]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*$"
)
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

_FORM = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


@dataclass(frozen=True, slots=True)
class Requirement:
    """`operator` is in, notin, exists or absent."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        return (value is not None) == (self.operator == "exists")

    def __str__(self) -> str:
        if self.operator in ("in", "notin"):
            if len(self.values) == 1:
                return f"{self.key}{'=' if self.operator == 'in' else '!='}{next(iter(self.values))}"
            return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
        return self.key if self.operator == "exists" else f"!{self.key}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements have to hold; none: everything matches."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """A null selector in an object matches nothing."""

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """From `a=b,c!=d,e in (f,g),!h`. Raises ApiError 400."""
        return cls(tuple(map(_requirement, _split(text))) if text.strip() else ())

    @classmethod
    def from_object(cls, selector: Obj | None) -> LabelSelector:
        """From matchLabels and matchExpressions. Raises ApiError 400."""
        if selector is None:
            return cls(nothing=True)
        found = [
            Requirement(key, "in", frozenset([value]))
            for key, value in sorted((selector.get("matchLabels") or {}).items())
        ]
        names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
        for expression in selector.get("matchExpressions") or []:
            operator = names.get(expression.get("operator", ""))
            if operator is None:
                raise bad_request(f"{expression.get('operator')!r} is not a valid label selector operator")
            found.append(Requirement(str(expression.get("key")), operator, frozenset(expression.get("values") or [])))
        return cls(tuple(found))

    @classmethod
    def from_map(cls, labels: Mapping[str, str] | None) -> LabelSelector:
        """From a plain map, as a Service's spec.selector; an empty one matches nothing."""
        if not labels:
            return cls(nothing=True)
        return cls(tuple(Requirement(key, "in", frozenset([value])) for key, value in sorted(labels.items())))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def _split(text: str) -> list[str]:
    """At the commas outside parentheses."""
    return re.split(r",(?![^()]*\))", text)


def _requirement(part: str) -> Requirement:
    match = _REQUIREMENT.match(part)
    if not part.strip():
        raise bad_request("unable to parse requirement: found '', expected: identifier")
    if not match:
        raise bad_request(f"unable to parse requirement: {part.strip()!r} is not a label requirement")
    key = match["akey"] or match["key"]
    values = [match["value"]] if match["op"] else [value.strip() for value in (match["values"] or "").split(",")]
    if not _KEY.fullmatch(key):
        raise bad_request(f'unable to parse requirement: key: Invalid value: "{key}": name part must {_FORM}')
    for value in values:
        if not _VALUE.fullmatch(value):
            raise bad_request(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
                f"a valid label must be an empty string or {_FORM}"
            )
    if match["absent"]:
        return Requirement(key, "absent")
    if match["op"]:
        return Requirement(key, "notin" if match["op"] == "!=" else "in", frozenset(values))
    if match["set"]:
        return Requirement(key, match["set"], frozenset(values))
    return Requirement(key, "exists")


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Pairs that have to be equal (or not) to fields that the resource allows to select by."""

    terms: tuple[tuple[Callable[[Obj], str], bool, str], ...] = ()
    name: str | None = None
    """metadata.name, where the selector asks for exactly one."""

    @classmethod
    def parse(cls, text: str, resource: Resource) -> FieldSelector:
        """From `metadata.name=x,status.phase!=Running`. Raises ApiError 400."""
        terms, name = [], None
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            match = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
            if not match:
                raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
            field, operator, value = match.groups()
            terms.append((_reader(field, resource), operator != "!=", value))
            if field == "metadata.name" and operator != "!=":
                name = value
        return cls(tuple(terms), name)

    def matches(self, obj: Obj) -> bool:
        return all((read(obj) == value) == equal for read, equal, value in self.terms)


def _reader(field: str, resource: Resource) -> Callable[[Obj], str]:
    if field == "metadata.name":
        return name_of
    if field == "metadata.namespace" and resource.namespaced:
        return namespace_of
    if field in resource.selectable_fields:
        return resource.selectable_fields[field]
    raise _unknown_field(field)


def _unknown_field(field: str) -> ApiError:
    return bad_request(f"field label not supported: {field}")


def field_reader(path: str, default: bool | int | str = "") -> Callable[[Obj], str]:
    """Reads a dotted path; absent is the default, booleans are `true` and `false`."""
    keys = path.split(".")

    def read(obj: Obj) -> str:
        value: Any = dig(obj, *keys, default=default)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return read
