"""The static face of a run: what stays in a saved notebook, a report or a terminal.

Needs no script, no style sheet and no widget, and survives a front end that strips styles. Every text from the
service is cleaned and escaped, times are absolute and in UTC: a saved «3 min ago» lies the next day.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from html import escape

from .snapshot import Look, Snapshot, Step, look, steps
from .text import NOTHING, block, clock, last_lines, line, moment, number, span

#: One sign a family; U+FE0E keeps front ends from drawing a coloured emoji.
ICONS: dict[Look, str] = {
    "waiting": "◔",
    "running": "▶\ufe0e",
    "done": "✔\ufe0e",
    "failed": "✖\ufe0e",
    "canceled": "⊘",
    "unknown": "•",
}
# A hex that has 3:1 on white and on #111, then the theme's own colour: JupyterLab drops var() from untrusted
# files and keeps the hex, so both stand there. Only the icon is coloured, and it never stands alone.
_COLOURS: dict[Look, tuple[str, str]] = {
    "waiting": ("#c77700", "--jp-warn-color1"),
    "running": ("#1e88e5", "--jp-brand-color1"),
    "done": ("#388e3c", "--jp-success-color1"),
    "failed": ("#e53935", "--jp-error-color1"),
    "canceled": ("#808080", "--jp-ui-font-color2"),
    "unknown": ("#808080", "--jp-ui-font-color2"),
}
_LINE = "1px solid #80808066;border-color:var(--jp-border-color2,#80808066)"
_CARD = (
    f"box-sizing:border-box;max-width:1100px;margin:4px 2px;padding:12px 16px;border:{_LINE};border-radius:4px;"
    "font-size:13px;line-height:1.5"
)
_HEAD = "display:flex;flex-wrap:wrap;align-items:center;gap:4px 10px"
_ROW = "display:flex;flex-wrap:wrap;gap:6px 32px;margin-top:10px"
_BADGE = "white-space:nowrap;font-weight:600;border-radius:12px;padding:2px 10px"
_MUTED = "opacity:.7;font-size:12px"
_CELL = "padding:3px 16px 3px 0;background:none;font-size:13px"
_REASON = "margin-top:10px;padding:4px 10px;max-height:200px;overflow:auto;overflow-wrap:anywhere"
_TRACE = (
    "margin:0;padding:0;background:none;font-family:Menlo,Consolas,DejaVu Sans Mono,monospace;font-size:12px;"
    "line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere"
)
_LOG = (
    f"box-sizing:border-box;max-height:380px;overflow:auto;border:{_LINE};border-radius:2px;{_TRACE};padding:8px 10px"
)
_TAGS = 8
_METRICS = 50


def status_badge(status: str) -> str:
    """A status as icon and word on a tint of its family's colour."""
    kind = look(status)
    colour, variable = _COLOURS[kind]
    icon = f'<span aria-hidden="true" style="color:{colour};color:var({variable},{colour})">{ICONS[kind]}</span>'
    word = escape(line(status, 40) or "Unknown")
    return f'<span style="{_BADGE};background:{colour}26">{icon} {word}</span>'


def run_card(snapshot: Snapshot) -> str:
    """A run as HTML with inline styles only: status, facts, phases, reason, the end of the log and the metrics."""
    below = _log(snapshot.log) + _metrics(snapshot)
    parts = (
        _head(snapshot),
        _facts(snapshot),
        _phases(steps(snapshot)),
        _reason(snapshot),
        f'<div style="display:flex;flex-wrap:wrap;gap:0 24px">{below}</div>' if below else "",
    )
    return f'<div style="{_CARD}">{"".join(parts)}</div>'


def _head(snapshot: Snapshot) -> str:
    words = [status_badge(snapshot.status), f'<strong style="font-size:15px">{_isolate(snapshot.name)}</strong>']
    if snapshot.name != snapshot.run_id:
        words.append(f'<code style="{_MUTED};background:none;padding:0">{_isolate(snapshot.run_id)}</code>')
    if snapshot.as_of is not None and not snapshot.over:
        words.append(_muted(f"as of {moment(snapshot.as_of)}"))
    if snapshot.link:
        url = escape(snapshot.link)
        link = f'<a href="{url}" target="_blank" rel="noopener noreferrer">Open in studio</a>'
        words.append(f'<span style="margin-left:auto">{link}</span>')
    return f'<div style="{_HEAD}">{" ".join(words)}</div>'


def _facts(snapshot: Snapshot) -> str:
    cells = (
        f"<div>{_muted(label)}<br>{_isolate(text)}</div>" for label, text in facts(snapshot) if text and text != NOTHING
    )
    return f'<div style="{_ROW}">{" ".join(cells)}</div>'


def _reason(snapshot: Snapshot) -> str:
    first, _, rest = block(snapshot.reason).partition("\n")
    if not first:
        return ""
    colour, variable = _COLOURS[look(snapshot.status)]
    edge = f"border-left:3px solid {colour};border-color:var({variable},{colour});background:{colour}18"
    trace = f'<pre style="{_TRACE}">{escape(rest)}</pre>' if rest else ""
    return f'<div dir="auto" style="{_REASON};{edge}">{escape(first)}{trace}</div>'


def _phases(way: Iterable[Step]) -> str:
    shown = [f"{escape(line(step.name, 40))} {_muted(_passed(step))}" for step in way if step.mark != "ahead"]
    return f'<div style="margin-top:10px">{" → ".join(shown)}</div>' if len(shown) > 1 else ""


def _passed(step: Step) -> str:
    if step.began is None:
        return ""
    if step.ended is None:
        return step.began.strftime("%H:%M:%S")
    return span((step.ended - step.began).total_seconds())


def _metrics(snapshot: Snapshot) -> str:
    if not snapshot.metrics:
        return ""
    head = _row("th", ("Name", "Last", "Step", "Values"))
    rows = (
        _row("td", (_isolate(name), escape(number(last)), number(step), number(values)))
        for name, last, step, values in snapshot.metrics[:_METRICS]
    )
    more = len(snapshot.metrics) - _METRICS
    note = f"<div>{_muted(f'and {more} more')}</div>" if more > 0 else ""
    table = f'<table style="margin:4px 0 0"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div style="flex:0 1 auto;margin-top:10px">{_muted("Metrics")}{table}{note}</div>'


def _row(tag: str, cells: Iterable[str]) -> str:
    sides = itertools.chain(("left",), itertools.repeat("right"))
    inner = "".join(
        f'<{tag} style="{_CELL};text-align:{side}">{cell}</{tag}>' for cell, side in zip(cells, sides, strict=False)
    )
    return f'<tr style="background:none">{inner}</tr>'


def _log(log: str) -> str:
    text = last_lines(log)
    if not text.strip():
        return ""
    pre = f'<pre style="{_LOG};margin-top:4px">{escape(text)}</pre>'
    return f'<div style="flex:1 1 420px;min-width:0;margin-top:10px">{_muted("End of the log")}{pre}</div>'


def _muted(text: str) -> str:
    return f'<span style="{_MUTED}">{escape(text)}</span>'


def _isolate(text: str) -> str:
    # bdi: a name written from right to left must not turn its neighbours round
    return f'<bdi style="overflow-wrap:anywhere">{escape(line(text, 160))}</bdi>'


def facts(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """Label and text of what is known about a run, in the order in which every face shows it."""
    tags = [f"{line(key, 40)}={line(value, 60)}" for key, value in snapshot.tags.items()]
    if len(tags) > _TAGS:
        tags[_TAGS:] = [f"and {len(tags) - _TAGS} more"]
    return (
        ("Experiment", line(snapshot.experiment, 120)),
        ("Compute", line(snapshot.compute, 120)),
        ("Started", moment(snapshot.started)),
        ("Ended", moment(snapshot.ended)),
        ("Elapsed", clock(snapshot.elapsed)),
        ("Tags", ", ".join(tags)),
    )


def run_text(snapshot: Snapshot) -> str:
    """The same run as plain text for a terminal or a diff: no clock of its own, no control character."""
    return "\n".join(_text_rows(snapshot))


def _text_rows(snapshot: Snapshot) -> Iterator[str]:
    yield f"{ICONS[look(snapshot.status)][0]} {line(snapshot.status, 40) or 'Unknown'}  {line(snapshot.name)}"
    known = [("Run", line(snapshot.run_id)), *facts(snapshot)]
    if snapshot.link:
        known.append(("Studio", line(snapshot.link, 2_000)))
    if snapshot.as_of is not None and not snapshot.over:
        known.append(("As of", moment(snapshot.as_of)))
    for label, text in known:
        if text and text != NOTHING:
            yield f"  {label:<11} {text}"
    for name, last, step, values in snapshot.metrics[:_METRICS]:
        where = [f"step {number(step)}"] * (step is not None) + [f"{number(values)} values"] * (values is not None)
        yield f"  {'Metric':<11} {line(name, 60)} = {number(last)}" + (f" ({', '.join(where)})" if where else "")
    if snapshot.reason:
        yield from ("  Reason", *(f"    {row}" for row in block(snapshot.reason).split("\n")))
    if log := last_lines(snapshot.log).strip("\n"):
        yield from ("  Log", *(f"    {row}" for row in log.split("\n")))
