"""Prompts answered by every system once, paired into battles, and judged: stored as they come, resumed where they stopped."""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal

from ... import settings
from ...arena.pairing import pair_chances
from ...errors import UsageError
from ...models.digest import digest_text
from ...models.prices import stated_price
from ...models.spending import SpendingLedger
from ...models.system import Generate, Model
from ...store.battles import SIDES, AnswerFacts, Battles, Side, StoredBattle
from ...values import Completion, Failure, Message
from .battles import Contender, fingerprint, measured, new_battle, votes_of
from .contenders import contender, open_system
from .judging import ArenaProgress, judge

ROUND = 64  # battles that are paired before their votes are looked at again


@dataclass(frozen=True, slots=True)
class ArenaRun:
    """`prompts` are answered by `systems` and judged by `judges`. `battles` is how many are fought in all, each of a pair and a
    prompt, spent where they say most; None: every pair on every prompt. `budget` caps US dollars, at `price` where none is
    known. Answers and judgements that failed are asked for again with `retry_failed`."""

    prompts: Sequence[str]
    systems: Sequence[str]
    judges: Sequence[str] = ()
    source: str = "run"
    battles: int | None = None
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    budget: Decimal | None = None
    price: str | None = None
    retry_failed: bool = False

    @property
    def asked_with(self) -> str:
        """A digest of all that decides an answer besides the system and the prompt."""
        return digest_text(json.dumps([self.max_tokens, self.temperature, self.seed]))


def run(plan: ArenaRun) -> Iterator[ArenaProgress]:
    """Fight the battles; progress after each answer and each judgement. Raises UsageError before anything is asked where two
    systems are the same, BudgetExceeded where the budget ends; what was answered is kept."""
    if len(dict.fromkeys(plan.systems)) < 2:
        raise UsageError(f"a battle is between two systems; got {', '.join(plan.systems) or 'none'}: name two with -m")
    with ExitStack() as opened:
        models, judges = opened_models(plan, opened)
        sides = {model.name.text: contender(model) for model in models}
        for a, b in itertools.combinations(sides.values(), 2):
            new_battle("?", [a, b], source=plan.source)  # refuses two that are the same
        for name in plan.judges:
            if name in sides:
                note = f"{name} judges its own answers too; models like their own, so count on another judge"
                yield ArenaProgress("", 0, 0, note=note)
        with Battles(settings.database()) as store:
            while True:
                battles = _fought(store, plan, sides)
                new = _new(store, plan, sides, battles)
                battles += store.begin(*new)
                for model in models:
                    yield from _answers(store, plan, model, battles)
                    model.close()
                battles = _fought(store, plan, sides)
                for model in judges:
                    yield from judge(store, model, battles, plan.retry_failed)
                    model.close()
                if plan.battles is None or not new or len(battles) >= plan.battles:
                    return


def opened_models(plan: ArenaRun, opened: ExitStack) -> tuple[list[Model], list[Model]]:
    """Systems and judges, checked, not loaded; all paid from one account and closed with `opened`."""
    ledger = SpendingLedger(plan.budget, stated_price(plan.price))
    named = [[open_system(name) for name in dict.fromkeys(names)] for names in (plan.systems, plan.judges)]
    for model in itertools.chain(*named):
        model.check()
        model.pay_from(ledger)
        opened.callback(model.close)
    return named[0], named[1]


def _fought(store: Battles, plan: ArenaRun, sides: dict[str, Contender]) -> list[StoredBattle]:
    """The stored battles of these systems on these prompts, asked in the same way."""
    prints = {fingerprint(side.identity) for side in sides.values()}
    prompts = {digest_text(prompt) for prompt in plan.prompts}
    return [
        battle
        for battle in store.all(plan.source)
        if battle.settings == plan.asked_with
        and battle.prompt in prompts
        and all(one is not None and fingerprint(one) in prints for one in (battle.identity_a, battle.identity_b))
    ]


def _new(
    store: Battles, plan: ArenaRun, sides: dict[str, Contender], fought: Sequence[StoredBattle]
) -> list[StoredBattle]:
    """The battles to begin now: all that are missing, or the next round of them."""
    stored = {battle.id for battle in fought}
    pairs = list(itertools.combinations(sides, 2))
    waiting = {
        pair: [battle for prompt in plan.prompts if (battle := _battle(plan, sides, pair, prompt)).id not in stored]
        for pair in pairs
    }
    if plan.battles is None:
        return [battle for battles in waiting.values() for battle in battles]
    left = min(plan.battles - len(stored), ROUND)
    if left <= 0:
        return []
    chances = pair_chances(list(sides), votes_of(store.all()))
    used = Counter(battle.prompt for battle in fought)
    new: list[StoredBattle] = []
    while len(new) < left and (open_pairs := [pair for pair in pairs if waiting[pair]]):
        weights = [chances[pair] for pair in open_pairs]
        pair = random.choices(open_pairs, weights if any(weights) else None)[0]
        battle = min(waiting[pair], key=lambda one: used[one.prompt])
        waiting[pair].remove(battle)
        used[battle.prompt] += 1
        new.append(battle)
    return new


def _battle(plan: ArenaRun, sides: dict[str, Contender], pair: tuple[str, str], prompt: str) -> StoredBattle:
    """A battle whose id, and with it the order of its sides, follows from who fights about what."""
    a, b = sorted((sides[name] for name in pair), key=lambda side: fingerprint(side.identity))
    digest = digest_text(
        json.dumps([plan.source, plan.asked_with, prompt, fingerprint(a.identity), fingerprint(b.identity)])
    )
    order = [a, b] if int(digest[-1], 16) % 2 else [b, a]
    return replace(new_battle(prompt, order, source=plan.source, asked_with=plan.asked_with), id=digest[:12])


def _answers(store: Battles, plan: ArenaRun, model: Model, battles: Sequence[StoredBattle]) -> Iterator[ArenaProgress]:
    """Let a model answer each prompt of its battles that it has not answered; the answer is stored in all of them."""
    print_, doing = fingerprint(model.identity), f"answers of {model.name.text}"
    by_prompt: dict[str, list[tuple[StoredBattle, Side, AnswerFacts | None]]] = {}
    for battle in battles:
        for side, identity, answer in zip(SIDES, (battle.identity_a, battle.identity_b), battle.answers, strict=True):
            if identity is not None and fingerprint(identity) == print_:
                by_prompt.setdefault(battle.question, []).append((battle, side, answer))
    todo = []
    for prompt, rows in by_prompt.items():
        known = [answer for _, _, answer in rows if answer and not (answer.error and plan.retry_failed)]
        if not known:
            todo.append(prompt)
        elif missing := [(battle, side) for battle, side, answer in rows if answer is None]:
            _store(store, missing, known[0])
    total = len(by_prompt)
    progress = ArenaProgress(doing, total - len(todo), total, total - len(todo))
    yield progress
    if not todo:
        return
    chat = model.capabilities.chat
    requests = (
        Generate(
            (Message("user", prompt),) if chat else prompt,
            plan.max_tokens,
            temperature=plan.temperature,
            seed=plan.seed,
        )
        for prompt in todo
    )
    for done, (index, result) in enumerate(model.complete(requests), 1):
        sides = [(battle, side) for battle, side, _ in by_prompt[todo[index]]]
        _store(store, sides, _facts(result))
        yield replace(progress, done=progress.done + done)


def _facts(result: Completion | Failure) -> AnswerFacts:
    if isinstance(result, Failure):
        return AnswerFacts(error=f"{result.kind}: {result.reason}")
    tokens = result.tokens - result.thinking_tokens
    return AnswerFacts(tokens, finish=result.finish, seconds=result.seconds, text=result.text)


def _store(store: Battles, sides: Sequence[tuple[StoredBattle, Side]], facts: AnswerFacts) -> None:
    """An answer as a side of several battles, in each of which other names may leak."""
    rows = []
    for battle, side in sides:
        size = measured(facts.text, battle.models, battle.question)
        rows.append(
            (
                battle.id,
                side,
                replace(size, tokens=facts.tokens, finish=facts.finish, error=facts.error, seconds=facts.seconds),
            )
        )
    store.answer(*rows)
