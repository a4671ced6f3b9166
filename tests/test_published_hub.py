"""The hub's community results: asked only when the user does, and taken only where their unit is clear."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner

from llms.cli.main import cli
from llms.workbench.published import all_results

AUTHOR = {"avatarUrl": "", "fullname": "Org", "name": "org", "type": "org", "isHf": False}


class Board(BaseHTTPRequestHandler):
    """As much of the hub as tells of results: `pages` are its answers by path."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        answer = self.server.pages.get(path)
        self.server.asked.append(path)
        content = json.dumps({"error": "not found"} if answer is None else answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        if answer is None:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Board)
    server.pages, server.asked = {}, []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(server, monkeypatch):
    from huggingface_hub import constants

    server.pages.clear()
    server.asked.clear()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return server


def model(results, name="org/model", base=None):
    card = {"base_model": base} if base else {}
    return {"id": name, "modelId": name, "evalResults": results, "cardData": card}


def result(dataset, task, value, **more):
    return {"dataset": {"id": dataset, "task_id": task}, "value": value, **more}


def told(*arguments, status=0):
    outcome = CliRunner().invoke(cli, ["published", "hub", *arguments])
    assert outcome.exit_code == status, (outcome.output, outcome.exception)
    return outcome


def test_a_models_results_are_taken_with_their_unit_and_who_reported_them(hub):
    other = {"source": {"url": "https://x.y", "name": "Eval", "org": "someone"}}
    hub.pages["/api/models/org/model"] = model(
        [
            result("Idavidrein/gpqa", "gpqa_diamond", 41.2, notes="no tools"),
            result("TIGER-Lab/MMLU-Pro", "mmlu_pro", 52.5, **other),
            result("openai/gsm8k", "default", 0.81),
            result("cais/hle", "default", 20.9),
            result("openai/gsm8k", "default", "Infinity"),
        ]
    )
    outcome = told("org/model")
    assert "2 new results, 3 refused" in outcome.stdout
    assert "0.81 may be a share or a percentage; say --unit" in outcome.stderr
    assert "'Infinity', which is text" in outcome.stderr
    taken = {r.benchmark: (r.value, evidence, r.setup) for r, evidence in all_results()}
    assert taken == {
        "gpqa_diamond": (pytest.approx(0.412), "self-reported", "no tools"),
        "mmlu_pro": (pytest.approx(0.525), "other recipe", ""),
    }


def test_the_user_may_say_the_unit(hub):
    hub.pages["/api/models/org/model"] = model(
        [result("openai/gsm8k", "default", 0.81), result("cais/hle", "default", 0.2)]
    )
    told("org/model", "--unit", "share")
    assert sorted(r.value for r, _ in all_results()) == [0.2, 0.81]


def test_what_only_the_base_model_has_is_inherited(hub):
    hub.pages["/api/models/org/model"] = model([result("openai/gsm8k", "default", 81.0)], base="base/model")
    hub.pages["/api/models/base/model"] = model(
        [result("openai/gsm8k", "default", 70.0), result("Rowan/hellaswag", "default", 60.0)], "base/model"
    )
    told("hf:org/model")
    taken = {r.benchmark: (r.system, r.value, r.base, evidence) for r, evidence in all_results()}
    assert taken == {
        "gsm8k": ("org/model", pytest.approx(0.81), "", "self-reported"),
        "hellaswag": ("org/model", pytest.approx(0.6), "base/model", "inherited"),
    }


def test_a_datasets_leaderboard_is_taken_and_a_name_that_is_none_is_told(hub):
    row = {
        "rank": 1,
        "modelId": "org/model",
        "value": 52.5,
        "filename": ".eval_results/x.yaml",
        "verified": False,
        "author": AUTHOR,
    }
    hub.pages["/api/datasets/TIGER-Lab/MMLU-Pro/leaderboard"] = [
        row,
        {**row, "rank": 2, "modelId": "b/c", "value": 40, "pullRequest": 7},
    ]
    told("TIGER-Lab/MMLU-Pro")
    taken = {r.system: (r.benchmark, r.value, evidence, r.source) for r, evidence in all_results()}
    assert taken == {
        "org/model": ("mmlu_pro", pytest.approx(0.525), "self-reported", "hub:datasets/TIGER-Lab/MMLU-Pro"),
        "b/c": ("mmlu_pro", pytest.approx(0.4), "other recipe", "hub:datasets/TIGER-Lab/MMLU-Pro"),
    }
    assert "shows no results of no/thing" in str(told("no/thing", status=1).exception)


def test_nothing_but_that_command_asks_the_hub(hub, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    for arguments in (["import", str(tmp_path)], ["reference"], ["list"], ["rm", "reference"]):
        CliRunner().invoke(cli, ["published", *arguments])
    assert hub.asked == []
