"""The calculator adapter: its wordings mean what their expressions say, what measures it is apart, and the shipped one calls."""

import importlib.util
import json
import re
import sys
from collections import Counter
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from llms.models.adapters.calculator.chats import ChatMix, chats, read_plain, result_text, shown
from llms.models.adapters.calculator.wordings import FOLDER, Wording, near, pose, read_wordings, readings
from llms.models.load import load
from llms.models.local.toolcalls import ToolCallReader, instructions, with_instructions
from llms.tools.calculator import calculator
from llms.values import Message, ToolCall

ROOT = Path(__file__).parents[1]
FILES = ("wordings", "held_out", "development")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
FIXED = {
    "2",
    "3",
    "4",
    "7",
    "10",
    "12",
    "24",
    "60",
    "100",
    "1000",
    "1",
}  # of expressions: twice, a dozen, minutes, 100 %
WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def script(name):
    """A script of benchmarks/ as a module."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def problem(wording, seed=0):
    return pose(wording, Random(f"test {wording.id} {seed}"), calculator.function)


@pytest.fixture(scope="module")
def rows():
    """The chats of some wordings, without plain ones."""
    offers = script("calculator_chats").offers()
    return list(chats(read_wordings("wordings")[::15], [], offers, calculator.function, ChatMix(per_wording=3), 3))


@pytest.mark.parametrize("file", FILES)
def test_an_expression_has_the_numbers_of_its_text_and_no_others(file):
    for wording in read_wordings(file):
        drawn = problem(wording)
        shown_numbers = {number.replace(",", "") for number in NUMBER.findall(drawn.text)}
        shown_numbers |= {str(WORDS.index(word) + 2) for word in re.findall(r"[a-z]+", drawn.text) if word in WORDS}
        assert set(NUMBER.findall(drawn.expression)) <= shown_numbers | FIXED, drawn
        assert Decimal(str(calculator.function(drawn.expression)["value"])) > 0, drawn


@pytest.mark.parametrize("file", FILES)
def test_the_calculator_computes_an_expression_as_python_does(file):
    for wording in read_wordings(file):
        drawn = problem(wording, 1)
        percent = re.sub(r"(\d[\d.]*)% of ([\d.]+)", r"(\1/100*\2)", drawn.expression)
        percent = re.sub(r"(\d[\d.]*)%(?=\))", r"(\1/100)", percent).replace("^", "**")
        value = eval(percent, {"sqrt": lambda x: x**0.5, "pi": 3.141592653589793})
        assert float(calculator.function(drawn.expression)["value"]) == pytest.approx(value), drawn


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("{a:t} of {b:h} people [agreed|came|passed]. What percentage is that?", "pct_is"),
        ("{a:h} pupils make teams of {b:s}. How many pupils [are left without a team|have no team]?", "remainder"),
        ("{N} has {a:t} {T}; {M} has twice as many. How many [altogether|do both have]?", "three"),
    ],
)
def test_what_a_wording_means_worked_out_by_hand(text, answer):
    (wording,) = (one for one in read_wordings("wordings") if one.template == text)
    assert wording.shape == answer
    drawn = problem(wording)
    a, *b = (int(number) for number in NUMBER.findall(drawn.text))
    expected = {"pct_is": lambda: a / b[0] * 100, "remainder": lambda: a - a // b[0] * b[0], "three": lambda: 3 * a}
    assert float(calculator.function(drawn.expression)["value"]) == pytest.approx(expected[answer]())


def test_wordings_are_many_and_no_shape_has_too_many():
    trained = Counter(one.shape for one in read_wordings("wordings"))
    assert sum(trained.values()) >= 250
    assert min(trained.values()) >= 6
    assert max(trained.values()) <= 0.1 * sum(trained.values())
    assert len(read_wordings("held_out")) >= 60
    assert {one.shape for one in read_wordings("held_out")} <= set(trained)
    assert len(set(trained) - {one.shape for one in read_wordings("held_out")}) <= 3


def test_no_two_wordings_are_one():
    every = [one for file in FILES for one in read_wordings(file)]
    assert len({one.id for one in every}) == len(every)
    texts = Counter(reading for one in every for reading in set(readings(one.template)))
    assert [text for text, count in texts.items() if count > 1] == []


def test_held_out_wordings_are_not_like_trained_ones():
    trained = [one.template for one in read_wordings("wordings")]
    for file in ("held_out", "development"):
        alike = {one.template: near(one.template, trained) for one in read_wordings(file)}
        assert {template: share for template, share in alike.items() if share > 0.5} == {}


def test_a_reworded_template_counts_as_near():
    assert near("[Compute|Find] {a} + {b} now", ["Please find {x} + {y} now"]) > 0.5
    assert near("A cow eats {a} kg of hay", ["How many minutes are {a} hours?"]) == 0


def test_plain_questions_are_many_and_those_that_measure_are_others():
    plain = [one for one in read_plain() if not one.sum]
    held_out = (FOLDER / "plain_held_out.txt").read_text(encoding="utf-8").splitlines()
    assert len({one.prompt for one in plain}) >= 150
    assert len(held_out) >= 40
    assert not {one.prompt.lower().strip("?!. ") for one in plain} & {text.lower().strip("?!. ") for text in held_out}


def test_chats_depend_on_the_seed_alone(rows):
    offers = script("calculator_chats").offers()
    wordings = read_wordings("wordings")[::15]
    again = list(chats(wordings, [], offers, calculator.function, ChatMix(per_wording=3), 3))
    other = list(chats(wordings, [], offers, calculator.function, ChatMix(per_wording=3), 4))
    assert again == rows
    assert other != rows


def test_results_and_answers_in_chats_are_the_calculators(rows):
    ending = 0
    for row in rows:
        messages = row["messages"]
        for call, result, answer in zip(messages, messages[1:], messages[2:], strict=False):
            if result["role"] != "tool":
                continue
            ending += 1
            expression = json.loads(call["tool_calls"][0]["function"]["arguments"])["expression"]
            assert result["content"] == result_text(calculator.function(expression))
            assert answer["content"] == f"The answer is {shown(calculator.function(expression)['display'])}."
    assert 0.1 * len(rows) < ending < 0.35 * len(rows)


def test_a_result_is_written_as_the_runtime_hands_it_to_a_model():
    from pydantic_ai.messages import ToolReturnPart

    for expression in ("12*7", "10/3", "sqrt(2)", "15% of 80.5"):
        result = calculator.function(expression)
        assert result_text(result) == ToolReturnPart("calculator", result, tool_call_id="1").model_response_str()


def test_a_trained_call_is_the_one_that_the_runtime_reads(rows):
    for row in islice(rows, 40):
        call = next(message["tool_calls"][0]["function"] for message in row["messages"] if "tool_calls" in message)
        (rendered,) = with_instructions(
            [Message("assistant", "", (ToolCall("1", call["name"], call["arguments"]),))], instructions(row["tools"])
        )[1:]
        expression = json.loads(call["arguments"])["expression"]
        assert rendered.content == (
            f'<tool_call>{{"name": "calculator", "arguments": {{"expression": "{expression}"}}}}</tool_call>'
        )
        _, (read,) = ToolCallReader(["calculator"], "call_").push(rendered.content)
        assert json.loads(read.arguments) == {"expression": expression}


def test_a_wording_that_the_calculator_refuses_is_named():
    from llms.errors import DataError

    with pytest.raises(DataError, match=r"mine-1: the calculator refuses '\d+ plus"):
        pose(Wording("mine-1", "add", "{a} and {b}", "a plus plus b"), Random(0), calculator.function)
    with pytest.raises(DataError, match="mine-2: no numbers give it a positive value"):
        pose(Wording("mine-2", "sub", "{a:s} and {b:h}", "a-b"), Random(0), calculator.function)


@pytest.fixture(scope="module")
def adapted(embedded_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", embedded_home)
        with load("smollm2?adapter=calculator") as model:
            yield model


def test_the_shipped_adapter_is_small_in_bfloat16_and_touches_no_embedding():
    from safetensors import safe_open

    path = FOLDER / "adapter_model.safetensors"
    assert path.stat().st_size <= 10_000_000
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        assert {file.get_slice(name).get_dtype() for name in names} == {"BF16"}
    assert not [name for name in names if "embed" in name or "lm_head" in name]
    assert json.loads((FOLDER / "adapter_config.json").read_text())["base_model_name_or_path"] == "smollm2"


def test_the_log_beside_the_adapter_is_of_a_run_that_ended():
    events = [json.loads(line) for line in (FOLDER / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [event["step"] for event in events if event["event"] == "stepped"]
    assert events[-1]["event"] == "ended"
    assert steps == list(range(1, events[0]["steps"] + 1))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("What is 12 * 7?", 84),
        ("How much is 1,250 + 3.5?", 1253.5),
        ("What is 15% of 80?", 12),
        ("Calculate 96 / 8.", 12),
    ],
)
def test_the_shipped_adapter_calls_for_a_sum(adapted, text, value):
    ((_, calls),) = script("calculator_adapter").ask(adapted, [text])
    (call,) = calls
    assert call.name == "calculator"
    assert float(calculator.function(json.loads(call.arguments)["expression"])["value"]) == value


def test_the_shipped_adapter_chats_without_a_call(adapted):
    texts = ["Hello!", "Who wrote Hamlet?", "What is the capital of France?"]
    answers = list(script("calculator_adapter").ask(adapted, texts, most=24))
    assert all(text.strip() and not calls for text, calls in answers)
    assert "Paris" in answers[2][0]


def test_an_agent_of_the_shipped_adapter_answers_with_the_calculators_result(embedded_home, monkeypatch):
    import llms

    monkeypatch.setenv("LLMS_HOME", embedded_home)
    with llms.load("smollm2?adapter=calculator&tools=calculator") as system:
        (answer,) = system.generate([[Message("user", "What is 127 * 49?")]], max_tokens=60)
    assert "6223" in answer.text.replace(",", "")
