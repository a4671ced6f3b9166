"""The chats that the adapter is trained on: a question, a call of the calculator, its result, an answer that uses it.

Beside them plain questions with the answers that the model gives without adapter, with tools offered and without, so that it
keeps on answering them. The same seed makes the same chats.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from ....values import JsonObject
from ...system import ToolSchema
from .wordings import DIGITS, FOLDER, WORDS, Compute, Wording, WordProblem, pose

OWN_PROMPTS = ("You are a helpful assistant.",)
OPENINGS = (
    "Hi! ", "Hello, ", "Question: ", "Please help me: ", "Quick question: ", "I have a question. ", "Can you help? ", "Q: ",
    "It is 2024. ", "Here is my problem: ",
)  # fmt: skip
CLOSINGS = (
    " Thanks!", " Please be brief.", " Use the calculator.", " Answer with a number.", " I need it by 5 pm.", " Tell me.",
    " (exercise 7)", " Please calculate.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """A question and what the model answers without adapter; `sum`: a question for a number, asked without a calculator."""

    prompt: str
    answer: str
    sum: bool


@dataclass(frozen=True)
class ChatMix:
    """How many chats of which kind. Shares are of the chats with a call, but for those of plain questions."""

    per_wording: int = 8
    goes_on: float = 0.2  # with the result and an answer
    asks_again: float = 0.08  # of those, another question behind the answer
    altered: float = 0.15  # with an opening, a closing, a number in words, or without capital or mark
    prompts: tuple[tuple[str, float], ...] = (("none", 0.46), ("agent", 0.44), ("own", 0.05), ("more", 0.05))
    plain_with_tools: int = 1  # times each plain question is asked with tools offered
    longest_plain: int = 600  # characters of an answer that is trained with tools offered, too


@dataclass(frozen=True)
class ToolOffers:
    """Offers of the runtime: the calculator's schema, further tools to set beside it, the prompt of agents."""

    calculator: ToolSchema
    further: tuple[ToolSchema, ...]
    agent_prompt: str


def read_plain() -> list[PlainAnswer]:
    lines = (FOLDER / "plain.jsonl").read_text(encoding="utf-8").splitlines()
    return [PlainAnswer(**json.loads(line)) for line in lines]


def chats(
    wordings: Sequence[Wording],
    plain: Sequence[PlainAnswer],
    offers: ToolOffers,
    compute: Compute,
    mix: ChatMix,
    seed: int,
) -> Iterator[JsonObject]:
    """Rows with `messages` and `tools`, in an order that the seed mixes."""
    rows: list[JsonObject] = []
    for wording in wordings:
        for number in range(mix.per_wording):
            draw = Random(f"{seed} {wording.id} {number}")
            rows.append(_called(pose(wording, draw, compute), wordings, offers, compute, mix, draw))
    for number, one in enumerate(plain):
        rows += _answered(one, offers, mix, Random(f"{seed} plain {number}"))
    Random(f"{seed} order").shuffle(rows)
    yield from rows


def result_text(result: JsonObject) -> str:
    """The calculator's result as the runtime hands it to a model."""
    return json.dumps(result, separators=(",", ":"), ensure_ascii=False)


def _called(
    problem: WordProblem,
    wordings: Sequence[Wording],
    offers: ToolOffers,
    compute: Compute,
    mix: ChatMix,
    draw: Random,
) -> JsonObject:
    system, tools = _system(offers, mix, draw)
    messages = [*system, {"role": "user", "content": _altered(problem.text, mix, draw)}, _call(problem)]
    if draw.random() < mix.goes_on:
        messages += _ending(problem, compute)
        if draw.random() < mix.asks_again:
            second = pose(draw.choice(wordings), draw, compute)
            messages += [{"role": "user", "content": second.text}, _call(second)]
    return {"messages": messages, "tools": _as_json(tools)}


def _call(problem: WordProblem) -> JsonObject:
    arguments = json.dumps({"expression": problem.expression})
    function = {"name": "calculator", "arguments": arguments}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_0", "type": "function", "function": function}],
    }


def _ending(problem: WordProblem, compute: Compute) -> list[JsonObject]:
    result = compute(problem.expression)
    return [
        {"role": "tool", "tool_call_id": "call_0", "content": result_text(result)},
        {"role": "assistant", "content": f"The answer is {shown(str(result['display']))}."},
    ]


def shown(display: str) -> str:
    """A value as an answer has it: with two digits behind the point where it has more than four."""
    value = Decimal(display)
    if -int(value.as_tuple().exponent) <= DIGITS:
        return display
    return str(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


def _answered(one: PlainAnswer, offers: ToolOffers, mix: ChatMix, draw: Random) -> Iterator[JsonObject]:
    question = {"role": "user", "content": one.prompt}
    answer = {"role": "assistant", "content": one.answer}
    yield {"messages": [question, answer], "tools": []}
    offered = 0 if one.sum or len(one.answer) > mix.longest_plain else mix.plain_with_tools
    for _ in range(offered):
        system, tools = _system(offers, mix, draw)
        yield {"messages": [*system, question, answer], "tools": _as_json(tools)}


def _as_json(tools: Sequence[ToolSchema]) -> list[JsonObject]:
    return [{"name": one["name"], "description": one["description"], "parameters": one["parameters"]} for one in tools]


def _system(offers: ToolOffers, mix: ChatMix, draw: Random) -> tuple[list[JsonObject], list[ToolSchema]]:
    kind = draw.choices([name for name, _ in mix.prompts], [share for _, share in mix.prompts])[0]
    tools = [offers.calculator]
    prompt = {"none": "", "agent": offers.agent_prompt, "own": draw.choice(OWN_PROMPTS), "more": offers.agent_prompt}[
        kind
    ]
    if kind == "more":
        tools += offers.further
    return ([{"role": "system", "content": prompt}] if prompt else []), tools


def _altered(text: str, mix: ChatMix, draw: Random) -> str:
    """The text as people also write it; its numbers stay what they are."""
    if draw.random() >= mix.altered:
        return text
    match draw.randrange(5):
        case 0:
            return draw.choice(OPENINGS) + text
        case 1:
            return text + draw.choice(CLOSINGS)
        case 2:
            return text.rstrip("?.") if text.endswith(("?", ".")) else text
        case 3:
            return text[:1].lower() + text[1:]
        case _:
            return _in_words(text)


def _in_words(text: str) -> str:
    """The text with its first number from 2 to 12 that stands alone in words."""
    words = text.split(" ")
    for index, word in enumerate(words):
        if word.isdigit() and 2 <= int(word) <= 12 and index and words[index - 1][-1:].isalpha():
            return " ".join([*words[:index], WORDS[int(word) - 2], *words[index + 1 :]])
    return text
