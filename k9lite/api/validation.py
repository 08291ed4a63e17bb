"""Field errors with upstream's words, and the rules of names, labels and numbers.

Source: k8s.io/apimachinery/pkg/util/validation and /validation/field.
"""

from __future__ import annotations

import re
from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.objects import Obj

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_FORM = re.compile(_QUALIFIED)
_PORT_NAME, _LETTER = re.compile("[-a-z0-9]+"), re.compile("[a-z]")
_MAY = "must start and end with an alphanumeric character"

NAME_RULES: dict[str, tuple[re.Pattern[str], int, str]] = {
    "subdomain": (
        re.compile(_SUBDOMAIN), 253,
        f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {_MAY} "
        f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN.replace(chr(92) * 2, chr(92))}')",
    ),
    "label": (
        re.compile(_LABEL), 63,
        f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_MAY} "
        f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')",
    ),
    "dns1035": (
        re.compile(_DNS1035), 63,
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        f"is '{_DNS1035}')",
    ),
    "path": (re.compile(r"(?!\.{1,2}$)[^/%]+"), 1024, "may not be '.' or '..' and may not contain '/' or '%'"),
}  # fmt: skip


def required(field: str, detail: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", "Required value" + (f": {detail}" if detail else ""))


def wrong(field: str, value: Any, why: str) -> Cause:
    """Invalid value, quoted as Go quotes it."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {_go(value)}: {why}")


def unsupported(field: str, value: Any, choices: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{choice}"' for choice in sorted(choices))
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {_go(value)}: supported values: {listed}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {_go(value)}")


def not_allowed(field: str, why: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def _go(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    import orjson

    return orjson.dumps(value).decode()


def check_name(field: str, name: str, rule: str) -> list[Cause]:
    """metadata.name and the like, by `subdomain`, `label` or `dns1035`."""
    pattern, limit, words = NAME_RULES[rule]
    causes = []
    if len(name) > limit:
        causes.append(wrong(field, name, f"must be no more than {limit} characters"))
    if not pattern.fullmatch(name):
        causes.append(wrong(field, name, words))
    return causes


def check_labels(field: str, labels: Any) -> list[Cause]:
    """Keys and values of a label map."""
    causes: list[Cause] = []
    for key, value in (labels or {}).items():
        causes += check_key(field, key)
        if len(value) > 63:
            causes.append(wrong(field, value, "must be no more than 63 characters"))
        elif value and not _QUALIFIED_FORM.fullmatch(value):
            causes.append(
                wrong(field, value, "a valid label must be an empty string or consist of alphanumeric characters, '-', "
                      f"'_' or '.', and {_MAY} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
                      "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")
            )  # fmt: skip
    return causes


def check_key(field: str, key: str) -> list[Cause]:
    """A label or annotation key: `[prefix/]name`."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not NAME_RULES["subdomain"][0].fullmatch(prefix)):
        return [wrong(field, key, "prefix part " + NAME_RULES["subdomain"][2])]
    if not name or len(name) > 63 or not _QUALIFIED_FORM.fullmatch(name):
        return [
            wrong(field, key, f"name part must consist of alphanumeric characters, '-', '_' or '.', and {_MAY} (e.g. "
                  f"'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')")
        ]  # fmt: skip
    return []


def check_annotations(field: str, annotations: Any) -> list[Cause]:
    if not annotations:
        return []
    causes = [cause for key in annotations for cause in check_key(field, key.lower())]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > 256 * 1024:
        causes.append(Cause(field, "FieldValueTooLong", "Too long: may not be more than 262144 bytes"))
    return causes


_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def check_selector(field: str, selector: Obj) -> list[Cause]:
    """A LabelSelector: matchLabels and matchExpressions."""
    causes = check_labels(f"{field}.matchLabels", selector.get("matchLabels"))
    for index, expression in enumerate(selector.get("matchExpressions") or []):
        at = f"{field}.matchExpressions[{index}]"
        operator, values = expression.get("operator"), expression.get("values")
        causes += check_key(f"{at}.key", expression.get("key") or "")
        if operator not in _SELECTOR_OPERATORS:
            causes.append(wrong(f"{at}.operator", operator or "", "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            causes.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            causes.append(
                not_allowed(f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
            )
    return causes


def check_owners(field: str, references: Any) -> list[Cause]:
    """ownerReferences: each names its owner, and at most one is the controller."""
    if not references:
        return []
    causes: list[Cause] = []
    controllers = 0
    for index, reference in enumerate(references):
        at = f"{field}[{index}]"
        if not reference.get("apiVersion"):
            causes.append(wrong(f"{at}.apiVersion", "", "version must not be empty"))
        causes += [
            wrong(f"{at}.{key}", "", "must not be empty") for key in ("kind", "name", "uid") if not reference.get(key)
        ]
        controllers += bool(reference.get("controller"))
    if controllers > 1:
        why = "Only one reference can have Controller set to true"
        causes.append(wrong(field, references, why))
    return causes


def check_finalizers(field: str, finalizers: Any) -> list[Cause]:
    """Qualified names."""
    return [cause for item in finalizers or () for cause in check_key(field, item)]


def check_non_negative(field: str, value: Any) -> list[Cause]:
    if value is None:
        return []
    if not isinstance(value, int) or isinstance(value, bool):
        return [wrong(field, value, "must be an integer")]
    return [wrong(field, value, "must be greater than or equal to 0")] if value < 0 else []


def check_port(field: str, value: Any) -> list[Cause]:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        return [wrong(field, value, "must be between 1 and 65535, inclusive")]
    return []


def check_port_name(field: str, name: str) -> list[Cause]:
    """IANA service names: at most 15 of a-z, 0-9 and '-', with a letter."""
    causes = []
    if len(name) > 15:
        causes.append(wrong(field, name, "must be no more than 15 characters"))
    if not _PORT_NAME.fullmatch(name):
        causes.append(wrong(field, name, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"))
    elif not _LETTER.search(name):
        causes.append(wrong(field, name, "must contain at least one letter (a-z)"))
    return causes


def immutable(field: str, new: Obj, old: Obj, *path: str) -> list[Cause]:
    """`field is immutable` if the value at `path` differs."""
    for key in path:
        new, old = (new or {}).get(key), (old or {}).get(key)  # type: ignore[assignment]
    return [wrong(field, new, "field is immutable")] if new != old else []
