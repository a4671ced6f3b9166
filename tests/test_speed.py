"""Speed: measured in seconds that a script takes, stored by machine and way of measuring, shown in the leaderboard."""

import json

import pytest
from click.testing import CliRunner

from llms import settings
from llms.arena.board_speed import SpeedSetup, SystemSpeed, speed_columns
from llms.cli.speed import speed as command
from llms.errors import ModelError, UsageError
from llms.store.speeds import Speeds
from llms.testing import ScriptedEndpoint, ScriptedModel
from llms.values import Identity, Score
from llms.workbench import speed as verb
from llms.workbench.leaderboard import read

SETUP = SpeedSetup("Abacus 9, 2 cores", 8, 4, 2, 3)
SMALL = verb.SpeedConfig(concurrency=2, prompt_tokens=12, tokens=8, repeat=3)


def fast(
    name: str = "a", weights: str = "w", setup: SpeedSetup = SETUP, measured: str = "2026-01-01T00:00:00+00:00"
) -> SystemSpeed:
    score = Score(0.5, 0.4, 0.6, 0.05, 3, "t")
    return SystemSpeed(Identity(name, weights), setup, measured, score, score, None, 10**9)


def test_an_endpoint_is_measured_with_an_interval_and_says_that_the_network_is_in_it():
    with ScriptedEndpoint(lambda body: "one two three four five", seconds=0.02) as server:
        (one,) = verb.measure([f"{server.url}#m"], SMALL)
        prompts = [body["prompt"] for path, body in server.posts if not body.get("logprobs")]  # else a first question
    assert one.first_token.value >= 0.02
    assert one.first_token.low < one.first_token.value < one.first_token.high
    assert one.alone.value > 0
    assert one.together.n == 3
    assert one.setup.machine == "over the network"
    assert "include the network" in one.notes[0]
    assert len(prompts) == len(set(prompts)) == 1 + 3 * (1 + 2)


def test_prompts_are_the_same_for_all_and_share_no_beginning():
    texts = [
        [str(verb._request(ScriptedModel(lambda text: "x", name=name), SMALL, i).prompt) for i in range(10)]
        for name in "ab"
    ]
    assert texts[0] == texts[1]
    assert len({text[:3] for text in texts[0]}) == 10


def test_what_costs_money_is_asked_only_with_a_budget(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    with pytest.raises(UsageError, match="--budget"):
        list(verb.measure(["openai:gpt-4o-mini"], SMALL))


def test_a_prompt_beyond_the_window_is_refused_and_not_sent():
    with ScriptedEndpoint() as server:
        with pytest.raises(UsageError, match="take a smaller --prompt-tokens"):
            list(verb.measure([f"{server.url}#m"], verb.SpeedConfig(prompt_tokens=10**9)))
        assert len(server.posts) <= 1  # whether it takes a raw prompt


def test_a_failure_is_no_speed():
    with ScriptedEndpoint() as server:
        server.faults.extend([{"status": 400, "message": "no"}] * 20)
        with pytest.raises(ModelError, match="no answer whose speed"):
            list(verb.measure([f"{server.url}#m"], SMALL))
    with Speeds(settings.database()) as store:
        assert store.all() == []


def test_speeds_come_back_as_they_were_stored_the_newest_first():
    old, new = fast(measured="2026-01-01T00:00:00+00:00"), fast("b", measured="2026-02-01T00:00:00+00:00")
    with Speeds(settings.database()) as store:
        store.save(new)
        store.save(old)
        assert store.all() == [new, old]


def test_machines_and_ways_of_measuring_have_columns_of_their_own():
    other = SpeedSetup("Abacus 10, 4 cores", 8, 4, 2, 3)
    columns = [column for column in speed_columns([fast(), fast("b"), fast(setup=other)]) if column.cells]
    firsts = [column for column in columns if column.column.title.startswith("first token")]
    assert [len(column.cells) for column in firsts] == [2, 1]
    assert len({column.column.id for column in columns}) == len(columns)
    assert firsts[1].column.title == "first token, Abacus 10, 4 cores"
    assert len({row for column in speed_columns([fast(), fast(weights="v")]) for row in column.cells}) == 2


def test_the_command_prints_a_table_and_json_and_the_leaderboard_shows_it():
    with ScriptedEndpoint(lambda body: "one two three") as server:
        options = ["--concurrency", "2", "--prompt-tokens", "8", "--tokens", "4", "--repeat", "2"]
        (row,) = [
            json.loads(line)
            for line in CliRunner().invoke(command, [f"{server.url}#m", *options, "--json"]).stdout.splitlines()
        ]
        shown = CliRunner().invoke(command, [f"{server.url}#m", *options]).output
    assert {"system", "identity", "machine", "first_token_seconds", "tokens_per_second", "tokens_per_second_together",
            "peak_memory_bytes", "cost", "concurrency"} <= set(row)  # fmt: skip
    assert "2 at once" in shown
    assert "±" in shown
    table = read().table
    assert {column.title for column in table.columns} == {"first token", "tokens/s alone", "tokens/s, 2 at once"}
    assert len(table.rows) == 1
