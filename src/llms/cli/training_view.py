"""A training run as it goes, for people: loss as a curve, learning rate, tokens a second, the time that is left."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..training.curve import draw_curve, loss_text
from ..training.progress import Aborted, Ended, Noticed, Progress, Saved, Started, Stepped, Validated
from .output import console, size

RECENT = 20  # steps that speed and time left are computed of
LINES = 20  # of a run that is not shown on a terminal, at most
WIDTH, HEIGHT = 60, 6


class TrainingView:
    """The state of a run so far, from its events."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.step: Stepped | None = None
        self.validated: Validated | None = None
        self.saved: Saved | None = None
        self._losses: list[tuple[int, float]] = []
        self._recent: deque[Stepped] = deque(maxlen=RECENT)

    def push(self, event: Progress) -> None:
        """Take in an event."""
        if isinstance(event, Started):
            self.started = event
            self._losses = [(step, loss) for step, loss in self._losses if step <= event.first_step]
        elif isinstance(event, Stepped):
            self.step = event
            self._losses.append((event.step, event.loss))
            self._recent.append(event)
        elif isinstance(event, Validated):
            self.validated = event
        elif isinstance(event, Saved):
            self.saved = event

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(step.seconds for step in self._recent)
        return sum(step.tokens for step in self._recent) / seconds if seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """None before the first step."""
        if self.started is None or self.step is None:
            return None
        each = sum(step.seconds for step in self._recent) / len(self._recent)
        return each * max(0, self.started.steps - self.step.step)

    def line(self) -> str:
        """The newest step, in one line."""
        step = self.step
        if step is None or self.started is None:
            return "starting …"
        parts = [
            f"step {step.step:,} of {self.started.steps:,}",
            f"loss {loss_text(step.loss)}",
            f"learning rate {step.learning_rate:.2g}",
            f"{self.tokens_per_second:,.0f} tokens/s",
            f"{duration(self.seconds_left or 0)} left",
            size(step.memory_bytes),
        ]
        if step.reward_accuracy is not None:
            parts.insert(2, f"rewards right {100 * step.reward_accuracy:.0f} %")
        if step.reward_margin is not None:
            parts.insert(3, f"margin {step.reward_margin:.2f}")
        if step.flops_utilization is not None:
            parts.append(f"{100 * step.flops_utilization:.0f} % of the machine's FLOP/s")
        return "  ".join(parts)

    def state(self) -> str:
        """The last validation and checkpoint; empty before."""
        parts = []
        if self.validated:
            parts.append(f"validation loss {loss_text(self.validated.loss)} after step {self.validated.step:,}")
        if self.saved:
            parts.append(f"checkpoint of step {self.saved.step:,} ({size(self.saved.bytes)})")
        return ", ".join(parts)

    def panel(self) -> Group:
        curve = draw_curve(self._losses, WIDTH, HEIGHT) if len(self._losses) > 1 else []
        lines = [Text(line, style="cyan") for line in curve]
        return Group(*lines, Text(self.line()), *([Text(self.state(), style="dim")] if self.state() else []))


def watch(events: Iterable[Progress], out: Console | None = None) -> Iterator[Progress]:
    """Pass the events on, showing them: drawn anew on a terminal, else as at most some twenty lines and what is worth one."""
    out = out or console(stderr=True)
    view = TrainingView()
    with _live(out, view) as live:
        for event in events:
            view.push(event)
            if live is not None:
                live.update(view.panel())
            _say(out, view, event, live is not None)
            yield event


@contextmanager
def _live(out: Console, view: TrainingView) -> Iterator[Live | None]:
    if not out.is_terminal:
        yield None
        return
    with Live(view.panel(), console=out, refresh_per_second=4) as live:
        yield live


def _say(out: Console, view: TrainingView, event: Progress, drawn: bool) -> None:
    if isinstance(event, Started) and event.first_step:
        out.print(f"going on from the checkpoint of step {event.first_step:,}", highlight=False)
    elif isinstance(event, Noticed):
        out.print(Text(event.text, style="yellow"), soft_wrap=True)
    elif isinstance(event, Aborted):
        out.print(Text(f"stopped after step {event.step:,}: {event.reason}", style="red"), soft_wrap=True)
    elif isinstance(event, Ended):
        why = "" if event.reason == "done" else f" ({event.reason})"
        out.print(f"trained {event.step:,} steps in {duration(event.seconds)}{why}", highlight=False)
    elif drawn or view.started is None:
        return
    elif isinstance(event, Stepped):
        every = max(1, view.started.steps // LINES)
        if event.step % every == 0 or event.step in (1, view.started.steps):
            out.print(view.line(), highlight=False, soft_wrap=True)
    elif isinstance(event, Validated):
        out.print(f"validation loss {loss_text(event.loss)} after step {event.step:,}", highlight=False)


def duration(seconds: float) -> str:
    """Two units at most: 42 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    whole = round(seconds)
    for unit, name, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s" if seconds >= 1 else f"{seconds:.1f} s"
