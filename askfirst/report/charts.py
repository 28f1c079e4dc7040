"""Plots as inline SVG: stacked columns over time, and stacked bars.

1. Lengths along the page are percentages and text has its own size, so that a plot fills a wide page and is legible on
   a telephone; nothing is scaled.
2. A plot has a title and a description for who does not see it, every mark says its number when it is pointed at, and
   the numbers stand in a table behind it.
3. No style attributes: the page's policy forbids them. Classes give the colors, in both schemes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup, escape

from askfirst.explain import shown

BAR_PX, ROW_PX = 14, 44
COLUMNS_PX, AXIS_PX, TOP_PX = 190, 24, 18
LABEL_CHARS = 90
LABELED_COLUMNS = 8
COLUMNS = 60
CLASSES = ("allow", "defer", "refuse")
DONE = ("allowed", "deferred", "refused")


class Part(NamedTuple):
    """A piece of a bar: the class that colors it, its number, and what the number is of."""

    kind: str
    number: int
    what: str


class Bar(NamedTuple):
    """One bar, with its label and what stands at its end."""

    label: str
    parts: tuple[Part, ...]
    end: str


def three(numbers: Sequence[int]) -> tuple[Part, ...]:
    """Allowed, deferred and refused as parts; refused stands first, for that is what is looked for."""
    return tuple(Part(CLASSES[i], numbers[i], DONE[i]) for i in (2, 1, 0) if numbers[i])


def bars(name: str, title: str, rows: Sequence[Bar]) -> Markup | None:
    """Bars below each other, all to one scale; none where there is nothing to show."""
    longest = max((sum(part.number for part in row.parts) for row in rows), default=0)
    if not longest:
        return None
    drawn = [_bar(index * ROW_PX, row, longest) for index, row in enumerate(rows)]
    told = "; ".join(f"{_short(row.label)}: {row.end}" for row in rows)
    return _svg(name, title, told, len(rows) * ROW_PX, drawn)


def _bar(top: int, row: Bar, longest: int) -> Markup:
    pieces: list[Markup] = []
    begin = 0.0
    for part in row.parts:
        width = 100 * part.number / longest
        pieces.append(
            Markup(
                '<rect class="mark {}" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}"><title>{}</title></rect>'
            ).format(
                part.kind, begin, top + 22, max(width, 0.25), BAR_PX, f"{shown(row.label)}: {part.number:,} {part.what}"
            )
        )
        begin += width
    # words of the page's own kind: where it is narrow, the label gives way to the number and ends in an ellipsis
    text = Markup(
        '<foreignObject x="0" y="{}" width="100%" height="21"><div class="bar">'
        '<span class="label">{}</span><span class="end">{}</span></div></foreignObject>'
    ).format(top, _short(row.label), row.end)
    return text + Markup("").join(pieces)


def _short(label: str) -> str:
    line = shown(label)
    return line if len(line) <= LABEL_CHARS else line[: LABEL_CHARS - 1] + "…"


def columns(name: str, title: str, length_s: int, steps: Sequence[tuple[int, Sequence[int]]]) -> Markup | None:
    """Columns beside each other, one for each step of time; empty steps leave a gap. None where there is nothing."""
    tallest = max((sum(counts) for _at, counts in steps), default=0)
    if not tallest:
        return None
    each = 100 / len(steps)
    drawn: list[Markup] = []
    if len(steps) > LABELED_COLUMNS:
        grid = Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/><text x="0" y="{1}">{2:,}</text>')
        drawn.append(grid.format(TOP_PX, TOP_PX - 5, tallest))
    for index, (at, counts) in enumerate(steps):
        drawn.extend(_column(index * each, each, clock(at, length_s), counts, tallest))
        if len(steps) <= LABELED_COLUMNS and any(counts):
            y = TOP_PX + COLUMNS_PX * (1 - sum(counts) / tallest)
            over = Markup('<text x="{:.3f}%" y="{:.1f}" text-anchor="middle">{:,}</text>')
            drawn.append(over.format((index + 0.5) * each, y - 5, sum(counts)))
    bottom = TOP_PX + COLUMNS_PX
    drawn.append(Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(bottom))
    ends = [(0, "start", 0.0), (len(steps) - 1, "end", 100.0)] if len(steps) > 1 else [(0, "start", 0.0)]
    for index, anchor, x in ends:
        label = Markup('<text x="{}%" y="{}" text-anchor="{}">{}</text>')
        drawn.append(label.format(x, bottom + 17, anchor, clock(steps[index][0], length_s)))
    total = sum(sum(counts) for _at, counts in steps)
    told = f"{total:,} decisions in {len(steps)} steps of {span(length_s)}, at most {tallest:,} in one"
    return _svg(name, title, told, bottom + AXIS_PX, drawn)


def _column(x: float, width: float, when: str, counts: Sequence[int], tallest: int) -> Iterable[Markup]:
    y = float(TOP_PX + COLUMNS_PX)
    for kind, done, number in zip(CLASSES, DONE, counts, strict=True):
        if number:
            height = COLUMNS_PX * number / tallest
            y -= height
            mark = Markup(
                '<rect class="mark {}" x="{:.3f}%" y="{:.2f}" width="{:.3f}%" height="{:.2f}"><title>{}</title></rect>'
            )
            yield mark.format(kind, x + width * 0.06, y, width * 0.88, height, f"{when}: {number:,} {done}")


def _svg(name: str, title: str, told: str, height: int, drawn: Iterable[Markup]) -> Markup:
    frame = Markup(
        '<svg class="plot" role="img" width="100%" height="{height}" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{told}</desc>{drawn}</svg>'
    )
    return frame.format(name=name, title=title, told=told, height=height, drawn=Markup("\n").join(map(escape, drawn)))


def clock(second: int, length_s: int) -> str:
    """The beginning of a step, no finer than the step."""
    at = datetime.fromtimestamp(second, UTC)
    if length_s >= 86_400:
        return f"{at:%Y-%m-%d}"
    return f"{at:%Y-%m-%d %H:%M:%S}" if length_s < 60 else f"{at:%Y-%m-%d %H:%M}"


def span(length_s: int) -> str:
    """How long a step is, in words."""
    for unit_s, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if length_s % unit_s == 0:
            return f"{length_s // unit_s} {unit}{'s' if length_s > unit_s else ''}"
    return f"{length_s} second{'s' if length_s > 1 else ''}"
