"""Minutes as Markdown, as one HTML page, as a JSON object."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from html import escape

from ..values import Json, several
from .minutes import MinuteItem, Minutes
from .transcript import clock

KINDS = (("Decisions", "decisions"), ("Actions", "actions"), ("Points", "points"))
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }}
blockquote {{ margin: 0 0 .8rem; padding-left: .8rem; border-left: 3px solid; opacity: .75; }}
.flag {{ font-size: .85em; border: 1px solid; border-radius: .3em; padding: 0 .3em; }}
p:target {{ outline: 2px solid; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def as_markdown(minutes: Minutes) -> str:
    out = [f"# Minutes of {_md(minutes.source)}", "", _md(_origin(minutes)), ""]
    out += ["## Summary", ""]
    for part in minutes.parts:
        time = f"**{clock(part.start)}** " if part.start is not None and len(minutes.parts) > 1 else ""
        out += [time + _md(part.summary), ""]
    for title, kind in KINDS:
        items: Sequence[MinuteItem] = getattr(minutes, kind)
        if items:
            out += [f"## {title}", ""]
        for item in items:
            out.append(f"- {'[ ] ' if kind == 'actions' else ''}{_md(_line(item))}")
            if item.quote:
                out.append(f"  > {_md(item.quote)}")
        out += [""] if items else []
    if minutes.notes:
        out += ["## Notes", "", *(f"- {_md(note)}" for note in minutes.notes), ""]
    return "\n".join(out)


def as_html(minutes: Minutes) -> str:
    """One page that needs nothing else; each time leads to its line in the transcript at the end."""
    out = [f"<p>{escape(_origin(minutes))}</p>", "<h2>Summary</h2>"]
    for part in minutes.parts:
        time = f"<b>{clock(part.start)}</b> " if part.start is not None and len(minutes.parts) > 1 else ""
        out.append(f"<p>{time}{escape(part.summary)}</p>")
    for title, kind in KINDS:
        items: Sequence[MinuteItem] = getattr(minutes, kind)
        if items:
            out.append(f"<h2>{title}</h2>\n<ul>")
            for item in items:
                flags = "".join(f' <span class="flag">{escape(flag)}</span>' for flag in item.flags)
                where = f' <a href="#l{item.line}">{_where(item)}</a>' if item.line else ""
                out.append(f"<li>{escape(item.text + _owed(item))}{where}{flags}")
                out.append(f"<blockquote>{escape(item.quote)}</blockquote></li>" if item.quote else "</li>")
            out.append("</ul>")
    if minutes.notes:
        out += ["<h2>Notes</h2>", *(f"<p>{escape(note)}</p>" for note in minutes.notes)]
    out.append("<details open><summary>Transcript</summary>")
    for number, line in enumerate(minutes.lines, 1):
        time = f"<b>{clock(line.start)}</b> " if line.start is not None else ""
        flags = "".join(f' <span class="flag">{escape(flag)}</span>' for flag in line.flags)
        speaker = f"{escape(line.speaker)}: " if line.speaker else ""
        out.append(f'<p id="l{number}">{time}{speaker}{escape(line.text)}{flags}</p>')
    out.append("</details>")
    return PAGE.format(title=escape(f"Minutes of {minutes.source}"), body="\n".join(out))


def as_object(minutes: Minutes) -> dict[str, Json]:
    """The documented object that `llms minutes --json` prints."""
    return {
        "source": minutes.source,
        "model": minutes.model,
        "speech": minutes.speech,
        "summary": "\n\n".join(part.summary for part in minutes.parts),
        "parts": [asdict(part) for part in minutes.parts],
        **{
            kind: [_item(item, kind == "actions") for item in getattr(minutes, kind)]
            for kind in ("points", "decisions", "actions")
        },
        "notes": list(minutes.notes),
        "lines": [{**asdict(line), "flags": list(line.flags)} for line in minutes.lines],
    }


def _item(item: MinuteItem, action: bool) -> dict[str, Json]:
    fields: dict[str, Json] = {"text": item.text, "line": item.line, "time": item.time, "quote": item.quote}
    if action:
        fields |= {"owner": item.owner, "due": item.due, "day": item.day.isoformat() if item.day else None}
    return {**fields, "flags": list(item.flags)}


def _origin(minutes: Minutes) -> str:
    heard = f", from words that {minutes.speech} heard" if minutes.speech else ""
    return f"Written by {minutes.model}{heard}, {several(len(minutes.lines), 'line')}. Check what matters against its line."


def _line(item: MinuteItem) -> str:
    flags = "".join(f" ⚠ {flag}" for flag in item.flags)
    where = f" ({_where(item)})" if item.line else ""
    return f"{item.text}{_owed(item)}{where}{flags}"


def _owed(item: MinuteItem) -> str:
    """Who has to, and by when."""
    day = f" ({item.day.isoformat()})" if item.day and item.day.isoformat() != item.due else ""
    return f"{f' — {item.owner}' if item.owner else ''}{f', by {item.due}{day}' if item.due else ''}"


def _where(item: MinuteItem) -> str:
    return clock(item.time) if item.time is not None else f"line {item.line}"


def _md(text: str) -> str:
    """Words that Markdown would take for its own signs, and raw HTML, as words."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
