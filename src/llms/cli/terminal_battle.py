"""Blind battles in the terminal: both answers as they come, a key for the vote, then the names."""

import itertools
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypedDict

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .. import settings
from ..arena.pairing import next_pair
from ..arena.rate import rate
from ..chat.turn import events as turn
from ..errors import LlmsError, UsageError
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..models.system import Model
from ..store.battles import SIDES, USER, Battles, StoredBattle
from ..store.conversations import Conversations
from ..values import several
from ..workbench.arena import battles as verbs
from ..workbench.arena.contenders import contender, open_system
from ..workbench.arena.judging import judgeable
from ..workbench.arena.prompts import different, read_prompts
from ..workbench.chat.chat import Chat
from . import arguments
from .answering import decide, stopping
from .formulas import whole
from .output import console

WIDE = 100  # columns from which answers stand side by side
KEYS = {"1": "a", "2": "b", "t": "tie", "b": "both_bad"}
HELP = "1 or 2 is better, t tie, b both bad"
FINISH = {"length": "length", "output_limit": "length"}


class VoteFlags(TypedDict):
    """The options of `llms arena vote`."""

    words: tuple[str, ...]
    models: tuple[str, ...]
    system: str | None
    file: Path | None
    column: str | None
    stored: str | None
    max_tokens: int
    temperature: float | None
    seed: int | None
    tools: tuple[str, ...]
    budget: str | None
    price: str | None


@dataclass
class ShownAnswer:
    """One side's answer while it comes: its text of all turns, and how the last one ended."""

    text: str = ""
    lines: list[str] = field(default_factory=list)  # of tools and notices, above the text
    tokens: int = 0
    seconds: float = 0.0
    finish: str = "stop"
    error: str = ""


class Quit(Exception):
    """The user wants no more."""


def run(flags: VoteFlags) -> None:
    """Vote until the prompts end or the user does; every vote is stored as it is cast."""
    table = Voting(console())
    try:
        if flags["stored"] is not None:
            table.on_stored(flags["stored"])
        else:
            Fights(table, flags).run()
    except (Quit, EOFError):
        pass
    table.out.print(Text(f"{several(table.count, 'vote')}; llms arena rate shows the ratings", style="dim"))


class Voting:
    """The keys and the names: shared by battles that are fought now and those that are stored."""

    def __init__(self, out: Console):
        self.out = out
        self.count = 0
        self._voted: list[StoredBattle] = []

    def on_stored(self, source: str) -> None:
        """Vote on the battles of a source that the user has not judged."""
        with Battles(settings.database()) as store:
            if source not in store.sources():
                raise UsageError(f"no battle of the source {source!r} is stored; llms arena list shows what is")
            waiting = [battle for battle in store.all(source) if judgeable(battle) and _unseen(battle)]
        if not waiting:
            raise UsageError(f"every battle of the source {source!r} that can be judged has your vote")
        for number, battle in enumerate(waiting, 1):
            self.out.print(Text(f"{number} of {len(waiting)}", style="dim"))
            self.show(battle)
            self.ask(battle)

    def show(self, battle: StoredBattle) -> None:
        self.out.print(Text(battle.question, style="bold"))
        self.out.print(side_by_side([answer.text if answer else "" for answer in battle.answers], self.out))

    def ask(self, battle: StoredBattle, further: bool = False) -> bool:
        """Wait for a vote; False where the user wants to say more to both first."""
        while True:
            self.out.print(Text(f"{HELP}, {'f say more, ' * further}s skip, u undo, q quit: ", style="bold"), end="")
            key = _key()
            self.out.print(key if key.isprintable() else "")
            if key in KEYS:
                self._vote(battle, KEYS[key])
                return True
            if key == "f" and further:
                return False
            if key == "s":
                return True
            if key == "q":
                raise Quit
            if key == "u":
                self._undo()
                self.out.print(Text("back to:", style="dim"))
                self.show(_reread(battle))

    def _vote(self, battle: StoredBattle, winner: str) -> None:
        verbs.vote(battle.id, winner)
        self.count += 1
        self._voted.append(battle)
        ratings = _ratings()
        for number, name in enumerate(battle.models, 1):
            self.out.print(Text(f"{number}: {name}  {ratings.get(name, 'no rating yet')}"))

    def _undo(self) -> None:
        """Take the last vote back and ask for another, which is not blind."""
        if not self._voted:
            self.out.print(Text("there is no vote of this session to take back", style="dim"))
            return
        before = self._voted.pop()
        verbs.undo(before.id)
        self.count -= 1
        self.out.print(Text("taken back; you have seen the names, so that another vote is not blind", style="dim"))
        self.show(_reread(before))
        self.ask(before)


class Fights:
    """Battles between models that answer now."""

    def __init__(self, table: Voting, flags: VoteFlags):
        self.table, self.out, self.flags = table, table.out, flags
        self.random = Random()

    def run(self) -> None:
        flags = self.flags
        if len(dict.fromkeys(flags["models"])) < 2:
            raise UsageError(
                f"a battle is between two models; got {', '.join(flags['models']) or 'none'}: name two with -m"
            )
        ledger = SpendingLedger(arguments.money(flags["budget"]), stated_price(flags["price"]))
        with ExitStack() as opened:
            models = {name: open_system(name) for name in dict.fromkeys(flags["models"])}
            for model in models.values():
                model.check()
                model.pay_from(ledger)
                opened.callback(model.close)
            self.models = {
                (one := contender(model, tools=flags["tools"])).name: (model, one) for model in models.values()
            }
            for pair in itertools.combinations(self.models, 2):
                verbs.new_battle("?", [self.models[name][1] for name in pair], source=verbs.VOTE)
            for model in models.values():
                model.prepare()  # now, as who loads says its name: between two answers that would tell whose they are
            for prompt in self._prompts():
                self._fight(prompt)

    def _prompts(self) -> Iterator[str]:
        flags = self.flags
        if flags["words"]:
            yield " ".join(flags["words"])
        if flags["file"] is not None:
            yield from read_prompts(flags["file"], flags["column"])
        if flags["words"] or flags["file"] is not None:
            return
        if not sys.stdin.isatty():
            yield from different(sys.stdin.read().splitlines(), "standard input")
            return
        while True:
            self.out.print(Text("prompt (Ctrl-D ends): ", style="bold"), end="")
            if text := input().strip():
                yield text

    def _fight(self, prompt: str) -> None:
        names = next_pair(list(self.models), verbs.stored(), self.random)
        battle = verbs.begin(prompt, [self.models[name][1] for name in names])
        try:
            with Conversations.in_memory() as memory:
                chats = [self._chat(self.models[name][0], memory) for name in names]
                self._turns(battle, chats, prompt)
        finally:
            if not _reread(battle).votes:
                verbs.remove(battle.id)

    def _chat(self, model: Model, memory: Conversations) -> Chat:
        flags = self.flags
        prompt = flags["system"]
        return Chat(
            model, store=memory, tools=flags["tools"] or None, system=arguments.text_of(prompt) if prompt else None,
            max_tokens=flags["max_tokens"], temperature=flags["temperature"], seed=flags["seed"], ephemeral=True,
        )  # fmt: skip

    def _turns(self, battle: StoredBattle, chats: Sequence[Chat], prompt: str) -> None:
        """Both answer, turn by turn, until there is a vote."""
        questions, answers = [prompt], [ShownAnswer(), ShownAnswer()]
        while True:
            self.out.print(Text(questions[-1], style="bold"))
            for answer in answers:
                answer.text += "\n\n" if answer.text else ""
            live = Live(console=self.out, transient=True, refresh_per_second=12, vertical_overflow="ellipsis")
            for chat, answer in zip(chats, answers, strict=True):
                self._answer(chat, answer, answers, questions[-1], live)
            self.out.print(_drawn(answers, self.out))
            for side, answer in zip(SIDES, answers, strict=True):
                verbs.answered(
                    battle.id, side, answer.text, tokens=answer.tokens or None, finish=answer.finish, error=answer.error,
                    seconds=answer.seconds,
                )  # fmt: skip
            if problem := verbs.problem_of(_reread(battle)):
                self.out.print(Text(f"a vote on it will not count: {problem}", style="yellow"))
            if self.table.ask(battle, further=True):
                return
            self.out.print(Text("to both: ", style="bold"), end="")
            questions.append(input().strip() or "Go on.")
            verbs.asked(battle.id, questions)

    def _answer(self, chat: Chat, answer: ShownAnswer, both: Sequence[ShownAnswer], question: str, live: Live) -> None:
        """One side's answer to one question, shown beside the other while it comes."""
        events: Generator[turn.Event, None, None] = chat.send(question, confirmed=True)
        while True:
            waiting = []
            try:
                with stopping(chat), live:
                    for event in events:
                        if isinstance(event, turn.ApprovalNeeded):
                            waiting.append(event)
                        _take(answer, event)
                        live.update(_drawn(both, self.out))
            except LlmsError as error:
                answer.error = str(error)
            if not waiting:
                return
            events = chat.decide({event.tool_call: decide(self.out, event) for event in waiting})


def _take(answer: ShownAnswer, event: turn.Event) -> None:
    """Add an event of a turn to an answer; nothing in it may name the model."""
    match event:
        case turn.TextDelta():
            answer.text += event.text
        case turn.ToolCallReady():
            answer.lines.append(f"calls {event.name}")
        case turn.ToolFinished():
            answer.lines.append(f"  {event.outcome}: {event.text[:80]}")
        case turn.UsageReported():
            answer.tokens += event.tokens - event.reasoning_tokens
            answer.seconds += event.seconds
        case turn.RunFinished(state="failed"):
            answer.error = event.text or "the answer failed"
        case turn.RunFinished(state="stopped"):
            answer.finish = "stopped"
        case turn.RunFinished():
            answer.finish = FINISH.get(event.reason, "refused" if event.reason == "refused" else "stop")
        case _:
            pass  # nothing that is seen


def _drawn(answers: Sequence[ShownAnswer], out: Console) -> RenderableType:
    return side_by_side(
        [
            "\n\n".join(filter(None, ["  \n".join(one.lines), "*no answer came*" if one.error else one.text]))
            for one in answers
        ],
        out,
    )


def side_by_side(texts: Sequence[str], out: Console) -> RenderableType:
    """Two answers under 1 and 2: in columns where the terminal is wide, else one below the other."""
    blocks = [Markdown(whole(text)) for text in texts]
    if out.is_terminal and out.width >= WIDE:
        columns = Table.grid(expand=True, padding=(0, 2))
        for _ in blocks:
            columns.add_column(ratio=1)
        columns.add_row(*(Group(Rule(str(number)), block) for number, block in enumerate(blocks, 1)))
        return columns
    return Group(
        *(part for number, block in enumerate(blocks, 1) for part in (Rule(str(number)), Padding(block, (0, 0, 1, 0))))
    )


def _key() -> str:
    """One key, from the terminal even where prompts come by standard input."""
    try:
        return click.getchar().lower()
    except OSError as error:
        raise UsageError(
            "votes are keys that are pressed, and there is no terminal; let a model judge: llms arena run"
        ) from error


def _unseen(battle: StoredBattle) -> bool:
    return USER not in battle.named_to and not any(vote.judge == USER for vote in battle.votes)


def _reread(battle: StoredBattle) -> StoredBattle:
    with Battles(settings.database()) as store:
        return store.get(battle.id)


def _ratings() -> dict[str, str]:
    """The rating of each model by all votes, in words; none where there is nothing to rate yet."""
    try:
        ratings = rate(verbs.stored()).ratings
    except UsageError:
        return {}
    words = {}
    for one in ratings:
        votes = several(one.battles, "vote")
        if one.rating is None or one.low is None or one.high is None:
            words[one.model] = f"no rating yet ({votes}: won or lost against all)"
        else:
            words[one.model] = f"{one.rating:.0f} [{one.low:.0f}, {one.high:.0f}] by {votes}"
    return words
