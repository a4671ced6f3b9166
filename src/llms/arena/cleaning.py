"""Which votes count: what cannot is left out, each for a reason that is counted (FastChat's cleaning)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .battle import Battle

DAILY_CAP = 1000  # votes of a person a day: one each half minute for more than eight hours


@dataclass(frozen=True, slots=True)
class Cleaning:
    """`daily_cap`: so many votes of a person count a day, the first ones; votes without a date are of one day. Model judges
    and judges without a name have no cap. `not_blind`: whether votes count though the judge knew the names;
    None: those of ordinary chats do."""

    daily_cap: int = DAILY_CAP
    not_blind: bool | None = None

    def __post_init__(self) -> None:
        if self.daily_cap < 1:
            raise ValueError(f"daily_cap is {self.daily_cap}; at least 1 vote a day must count")


def clean(battles: Iterable[Battle], rules: Cleaning) -> tuple[list[Battle], dict[str, int]]:
    """The battles that count, in their order, and how many were left out by reason.

    Reasons: a self-battle, a `problem` of the battle (in its own words), not blind, more than the daily cap.
    """
    counting, dropped, days = [], Counter[str](), Counter[tuple[str, str]]()
    for battle in battles:
        reason = _reason(battle, rules)
        if not reason and battle.judge and battle.judge_kind == "human":
            day = (battle.judge, battle.created[:10])
            days[day] += 1
            if days[day] > rules.daily_cap:
                reason = f"more than {rules.daily_cap} votes of one judge in a day"
        if reason:
            dropped[reason] += 1
        else:
            counting.append(battle)
    return counting, dict(dropped)


def _reason(battle: Battle, rules: Cleaning) -> str:
    if battle.model_a == battle.model_b:
        return "self-battle"
    if battle.problem:
        return battle.problem
    counts = battle.chat if rules.not_blind is None else rules.not_blind
    return "" if battle.anonymous or counts else "not blind"
