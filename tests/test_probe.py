"""What endpoints can do is found out by asking, kept, and shown: accepted is not obeyed."""

import json

import pytest
from click.testing import CliRunner

from llms import settings
from llms.cli.models_show import show
from llms.errors import ModelError, UsageError
from llms.models.api import dialect
from llms.models.load import load
from llms.models.system import Generate
from llms.store.endpoints import Endpoints
from llms.testing import ScriptedEndpoint
from llms.values import Message
from llms.workbench import probe as verbs

CHECKS = {
    "listed", "stream", "usage_in_stream", "window", "cancel", "system_role", "image", "tools", "forced_tool", "json_schema",
    "logprobs", "echo", "seed", "unknown_parameter", "limit", "refused", "price",
}  # fmt: skip


def able(body):
    """A server and a model that do all they are asked."""
    content = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    if "tools" in body:
        cities = ["Rome", "Oslo"] if "Rome" in content else ["Rome"]
        calls = [{"id": c, "type": "function", "function": {"name": "get_weather", "arguments": json.dumps({"city": c})}}
                 for c in cities]  # fmt: skip
        return {"message": {"role": "assistant", "content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}
    if "response_format" in body:
        return '{"colour":"red","count":3}'
    if body.get("logprobs") is True:
        token = {"token": "hello", "logprob": -0.1, "top_logprobs": [{"token": "a", "logprob": -1}] * 2}
        return {"message": {"content": "hello"}, "logprobs": {"content": [token]}}
    if "seed" in body:
        return f"Name{body['seed']}"
    if not isinstance(content, str):
        return "it is red"
    return "QX7-4410 blue" if "code" in content else "blue " * 30


def facts(found) -> dict[str, str]:
    return {check: value for check, (value, _) in found.facts.items()}


def test_a_server_that_does_all_is_found_to_and_remembered():
    with ScriptedEndpoint(able, refuses=("no_such_parameter",)) as server:
        name = f"{server.url}#m"
        assert verbs.show(name).facts is None
        found = verbs.probe(name)
        asked = len(server.posts)
        assert verbs.show(name) == found
        assert len(server.posts) == asked <= 25
    got = facts(found)
    assert set(got) == CHECKS
    assert got.pop("window") == "2048"
    assert got.pop("unknown_parameter") == "no"
    assert (got.pop("limit"), got.pop("refused")) == ("max_tokens", "none")
    assert {check for check, value in got.items() if value != "yes"} == set(), found.facts
    assert found.window == 2048
    assert found.price_in == 0


def test_what_is_accepted_but_not_obeyed_is_no():
    with ScriptedEndpoint(
        lambda body: "blue words only", echo=False, stream_usage=False, window=None, models=("m",)
    ) as server:
        found = verbs.probe(f"{server.url}#m")
    got = facts(found)
    for check in ("tools", "forced_tool", "json_schema", "logprobs", "echo", "usage_in_stream", "image"):
        assert got[check] == "no", check
    assert got["seed"] == got["window"] == "unknown"
    assert got["unknown_parameter"] == "yes"
    assert found.facts["json_schema"][1] == "accepted, but not obeyed"


def test_what_is_refused_is_no_and_a_fault_is_unknown():
    refused = ("tools", "response_format", "logprobs")
    with ScriptedEndpoint(lambda body: "words and words", refuses=refused, raw=False) as server:
        server.faults.extend([{}, {}, {}, {"status": 500}, {"status": 500}, {"status": 500}])
        found = verbs.probe(f"{server.url}#m")
    got = facts(found)
    assert got["cancel"] == "unknown"
    assert got["tools"] == got["json_schema"] == got["logprobs"] == got["echo"] == "no"
    assert "Unsupported parameter" in found.facts["tools"][1]


def test_a_window_that_nobody_states_is_searched():
    with ScriptedEndpoint(able, window=None) as server:
        found = verbs.probe(f"{server.url}#m")
    assert facts(found)["window"] == "24000"
    assert found.facts["window"][1].startswith("at least")


def test_an_endpoint_that_is_not_there_or_is_local_is_said(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with ScriptedEndpoint() as server:
        name = f"{server.url}#m"
    with pytest.raises(ModelError, match="does not answer"):
        verbs.probe(name)
    with pytest.raises(UsageError, match="--probe is for endpoints"):
        verbs.expected_cost(f"hf:{tmp_path}")


def test_the_command_asks_before_it_costs_money_and_shows_no_key(monkeypatch):
    key = "sk-test-0123456789abcdefghij"
    with ScriptedEndpoint(able, models=("gpt-4o-mini",), raw=False) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", key)
        name, run = "openai:gpt-4o-mini", CliRunner()
        before = run.invoke(show, [name]).output
        assert "not probed yet" in before
        assert "sk-test… is sent" in before
        assert "128000" in before
        assert run.invoke(show, [name, "--probe"], input="n\n").exit_code == 1
        assert server.posts == []
        asked = run.invoke(show, [name, "--probe", "--yes", "--json"])
        (row,) = map(json.loads, asked.output.splitlines())
        assert set(row) == {"name", "where", "key", "window", "price_in", "price_out", "probed", "facts"}
        assert row["facts"]["json_schema"] == {"value": "yes", "detail": ""}
        after = run.invoke(show, [name]).output
    assert "forced tool" in after
    assert "probed 20" in after
    assert key not in before + asked.output + after
    with Endpoints(settings.database()) as store:
        assert key not in str(list(store.read("SELECT * FROM endpoints")))


def test_what_a_probe_found_the_server_to_refuse_is_not_sent_by_the_next_process():
    with ScriptedEndpoint(able, refuses=("max_tokens", "stream_options")) as server:
        name = f"{server.url}#m"
        assert (
            facts(verbs.probe(name)).items() >= {"limit": "max_completion_tokens", "refused": "stream_options"}.items()
        )
        dialect.forget()  # as a new process has
        asked = len(server.posts)
        with verbs.recall(load(name)) as model:
            assert [delta.finish for delta in model.stream(Generate((Message("user", "hello"),)))][-1] == "stop"
        assert len(server.posts) == asked + 1
        dialect.forget()
        with verbs.recall(load(f"{server.url}#another")) as other:  # of another model nothing is known
            assert other.dialect.limit == "max_tokens"
