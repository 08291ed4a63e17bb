"""What is typed after `:`, understood.

po                     a kind: plural, singular, short name, Kind, optionally `.group`
po kube-system         in a namespace (`all`: in all)
svc app=web,tier!=db   with labels
po /err                filtered by a regular expression
po @prod               in another context
ctx, ctx NAME          the contexts; another context
ns NAME, q, help, events, aliases, forwards
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

ALL = ("all", "*", "-A")
CONTEXT = "ctx"
BUILTIN = ("help", "quit", "aliases", "home", "theme", "forwards", CONTEXT)
_SYNONYMS = {
    "q": "quit", "q!": "quit", "exit": "quit", "?": "help", "h": "help", "a": "aliases", "skin": "theme",
    "pf": "forwards", "forward": "forwards",
    "context": CONTEXT, "contexts": CONTEXT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """`namespace` None: as before; "": all namespaces."""

    word: str
    namespace: str | None = None
    labels: str = ""
    filter: str = ""
    context: str = ""


class CommandError(ValueError):
    """A command that cannot be understood; the text says why."""


def parse(text: str) -> Command:
    """Raises CommandError."""
    text = text.strip().lstrip(":").strip()
    if not text:
        raise CommandError("type a kind, as in `:po` or `:deploy kube-system`; ctrl+a lists them")
    before, slash, pattern = text.partition(" /")
    word, *arguments = before.split()
    if _SYNONYMS.get(word.lower(), word.lower()) == CONTEXT:
        if len(arguments) > 1:
            raise CommandError(f"`{arguments[1]}` is too much: ctx takes one context")
        return Command(CONTEXT, context=arguments[0].removeprefix("@") if arguments else "")
    namespace: str | None = None
    labels: list[str] = []
    context = ""
    for argument in arguments:
        if argument.startswith("@"):
            context = argument[1:]
        elif "=" in argument or argument.startswith("!"):
            labels.append(argument)
        elif namespace is None:
            namespace = "" if argument in ALL else argument
        else:
            raise CommandError(f"`{argument}` is too much: {word} takes one namespace, here `{namespace}`")
    word = _SYNONYMS.get(word.lower(), word)
    return Command(word, namespace, ",".join(labels), pattern if slash else "", context)


def words() -> list[str]:
    """Every first word that can be completed, the common ones first."""
    from k9lite.api.catalog import RESOURCES

    kinds = [word for resource in RESOURCES for word in (resource.plural, *resource.short_names, resource.singular)]
    return list(dict.fromkeys([*kinds, *BUILTIN]))


def completion(
    text: str,
    namespaces: Iterable[str],
    history: Sequence[str],
    known: Sequence[str],
    contexts: Callable[[], list[str]] = list,
) -> str | None:
    """The whole line that `text` may become: from history, else the word being typed."""
    if not text.strip():
        return None
    earlier = next((line for line in reversed(history) if line.startswith(text) and line != text), None)
    if earlier:
        return earlier
    head, space, last = text.rpartition(" ")
    if space and (last.startswith("@") or _SYNONYMS.get(head, head) == CONTEXT):
        at = "@" if last.startswith("@") else ""
        candidates: Iterable[str] = [f"{at}{name}" for name in contexts()]
    else:
        candidates = sorted(namespaces) if space else known
    found = next((word for word in candidates if word.startswith(last) and word != last), None) if last else None
    return f"{head}{space}{found}" if found else None
