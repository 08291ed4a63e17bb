"""CronJob schedules: what Kubernetes accepts. Source: CronJob validation and github.com/robfig/cron's standard parser.

Five fields, or `@yearly @annually @monthly @weekly @daily @midnight @hourly @every DURATION`; `?` is `*`; names of
months and weekdays; no time zone inside the schedule, which spec.timeZone gives.
"""

from __future__ import annotations

import re

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: tuple[dict[str, int], ...] = (
    {}, {}, {},
    {name: number for number, name in enumerate(_MONTHS, 1)},
    {name: number for number, name in enumerate(_DAYS)},
)  # fmt: skip


def check_schedule(schedule: str) -> str | None:
    """Why it is no schedule, in the parser's words; None if it is one. One that never comes (31 February) is one."""
    if schedule.startswith("@every "):
        given = schedule.removeprefix("@every ")
        return (
            None
            if _DURATION.fullmatch(given)
            else f"failed to parse duration {schedule}: time: invalid duration {given!r}"
        )
    if schedule.startswith("@"):
        return None if schedule in _NICKNAMES else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, bounds, names in zip(fields, _BOUNDS, _NAMES, strict=True):
        for part in field.split(","):
            if problem := _check_part(part, bounds, names):
                return problem
    return None


def _check_part(part: str, bounds: tuple[int, int], names: dict[str, int]) -> str | None:
    span, *steps = part.split("/")
    if len(steps) > 1:
        return f"too many slashes: {part}"
    if steps and (not steps[0].isdigit() or int(steps[0]) == 0):
        return f"step of range should be a positive number: {part}" if steps[0] == "0" else _no_number(steps[0])
    if span in ("*", "?"):
        return None
    ends = span.split("-")
    if len(ends) > 2:
        return f"too many hyphens: {part}"
    numbers = []
    for end in ends:
        number = names.get(end.lower(), int(end) if end.isdigit() else None)
        if number is None:
            return _no_number(end)
        numbers.append(number)
    low, high = numbers[0], numbers[-1]
    if low < bounds[0]:
        return f"beginning of range ({low}) below minimum ({bounds[0]}): {part}"
    if high > bounds[1]:
        return f"end of range ({high}) above maximum ({bounds[1]}): {part}"
    return f"beginning of range ({low}) beyond end of range ({high}): {part}" if low > high else None


def _no_number(text: str) -> str:
    return f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
