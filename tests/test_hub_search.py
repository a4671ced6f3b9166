"""The hub searched and its data sets read, over real sockets; nothing is asked where nobody asked, and no code is run."""

import io
import json
import os
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from fake_hub import COMMIT, Hub
from llms.cli.main import cli
from llms.errors import LlmsError

pytest.importorskip("datasets")
README = """---
license: cc-by-nc-4.0
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': positive
  splits:
  - name: train
    num_bytes: 2000
    num_examples: 50
  - name: test
    num_bytes: 400
    num_examples: 10
---
"""
MODELS = [
    {
        "id": f"owner/model-{n}", "pipeline_tag": "text-classification" if n < 6 else "summarization", "downloads": 100 - n,
        "likes": n, "lastModified": f"2026-01-0{n + 1}T00:00:00.000Z", "gated": "auto" if n == 1 else False,
        "tags": [f"license:{'mit' if n % 2 else 'cc-by-nc-4.0'}", "en", *(["de"] if n > 2 else [])],
        **({} if n == 5 else {"safetensors": {"parameters": {"F16": 10 ** (6 + n)}, "total": 10 ** (6 + n)}}),
    }
    for n in range(8)
]  # fmt: skip
DATASETS = [
    {"id": "owner/big", "downloads": 9, "likes": 1, "gated": False, "tags": ["language:en", "task_categories:summarization"], "mainSize": 3_000_000_000},
    {"id": "owner/small", "downloads": 5, "likes": 3, "gated": False, "tags": ["language:en", "license:mit"], "mainSize": 1_000},
]  # fmt: skip


def parquet(count: int, labels: list[str] | None = None) -> bytes:
    import pyarrow
    from pyarrow import parquet as files

    buffer = io.BytesIO()
    rows = pyarrow.Table.from_pylist([{"text": f"text {n}", "label": n % 2} for n in range(count)])
    if labels:
        features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": labels, "_type": "ClassLabel"}}
        rows = rows.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    files.write_table(rows, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server():
    base = f"/datasets/x/y/resolve/{COMMIT}"
    files = {
        f"{base}/data/{split}-00000-of-00001.parquet": parquet(count) for split, count in (("train", 50), ("test", 10))
    }
    readme = {f"{base}/README.md": README.encode()}
    card = {"cardData": {"license": "cc-by-nc-4.0", "language": ["en"], "dataset_info": {
        "features": [{"name": "text", "dtype": "string"}, {"name": "label", "dtype": {"class_label": {"names": {"0": "n", "1": "p"}}}}],
        "splits": [{"name": "train", "num_examples": 50, "num_bytes": 2000}, {"name": "test", "num_examples": 10, "num_bytes": 400}],
    }}}  # fmt: skip
    server = Hub({**files, **readme}, card)
    server.listed = {"models": MODELS, "datasets": DATASETS}
    yield server
    server.close()


@pytest.fixture
def hub(server, monkeypatch):
    from huggingface_hub import constants

    server.asked.clear()
    server.posted.clear()
    server.page = 1000
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return server


def run(*arguments, status=0):
    result = CliRunner().invoke(cli, [str(each) for each in arguments])
    if isinstance(result.exception, LlmsError):
        assert result.exception.exit_status == status
        return str(result.exception)
    assert result.exit_code == status, result.output
    return result


def listed(*arguments):
    return [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]


def names(*arguments):
    return [entry["name"].removeprefix("owner/") for entry in listed(*arguments)]


def test_models_are_listed_with_what_one_must_know_before_a_download(hub):
    first, second, *_ = listed("hub", "search")
    assert first == {
        "name": "owner/model-0", "kind": "models", "task": "text-classification", "parameters": 10**6, "bytes": 2 * 10**6,
        "licence": "cc-by-nc-4.0", "commercial": False, "languages": ["en"], "downloads": 100, "likes": 0,
        "updated": "2026-01-01", "gated": False, "fits": True, "next": "llms models show hf:owner/model-0",
    }  # fmt: skip
    assert (second["commercial"], second["gated"]) == (True, True)
    assert [entry["fits"] for entry in listed("hub", "search")][5:] == [None, False, False]
    text = run("hub", "search").output
    assert "(non-commercial)" in text
    assert "(gated)" in text
    assert "next: llms models show hf:owner/model-0" in text


def test_one_request_lists_and_nothing_is_asked_of_each(hub):
    run("hub", "search", "--limit", 5)
    assert [urlsplit(path).path for path in hub.asked] == ["/api/models"]


def test_filters_are_the_hubs_and_a_task_may_have_our_name(hub):
    assert names("hub", "search", "--task", "sentiment") == [f"model-{n}" for n in range(6)]
    assert names("hub", "search", "--task", "text-classification", "--limit", 2) == ["model-0", "model-1"]
    assert names("hub", "search", "--licence", "mit", "--language", "de") == ["model-3", "model-5", "model-7"]
    assert names("hub", "search", "MODEL-3") == ["model-3"]
    assert names("hub", "search", "--sort", "likes", "--limit", 1) == ["model-7"]
    assert names("hub", "search", "--sort", "updated", "--limit", 1) == ["model-7"]
    queries = [parse_qs(urlsplit(path).query) for path in hub.asked]
    assert queries[0]["pipeline_tag"] == ["text-classification"]
    assert queries[2]["filter"] == ["license:mit", "de"]
    assert queries[5]["sort"] == ["lastModified"]


def test_the_largest_counts_parameters_or_bytes_over_pages(hub):
    hub.page = 2
    assert names("hub", "search", "--largest", "100M") == ["model-0", "model-1", "model-2"]
    assert parse_qs(urlsplit(hub.asked[0]).query)["num_parameters"] == ["max:100M"]
    assert names("hub", "search", "--largest", "3MB") == ["model-0"]
    assert "4 too large" not in run("hub", "search", "--largest", "20GB").output
    assert "2 too large, 1 whose size" in run("hub", "search", "--largest", "20GB").output
    assert names("data", "search", "--largest", "1MB") == ["small"]
    assert "counts bytes" in run("data", "search", "--largest", "1M", status=2)
    assert "no size" in run("hub", "search", "--largest", "much", status=2).output


def test_data_sets_are_listed_and_data_search_is_the_same(hub):
    assert listed("hub", "search", "--kind", "datasets") == listed("data", "search")
    (entry,) = listed("data", "search", "--task", "summarization", "--language", "en")
    assert (entry["name"], entry["bytes"], entry["licence"], entry["commercial"]) == (
        "owner/big",
        3_000_000_000,
        "",
        None,
    )
    assert entry["next"] == "llms data head owner/big"


def test_a_search_that_finds_nothing_says_what_to_try(hub):
    result = run("hub", "search", "--task", "sentimental", "zzz")
    assert result.stdout == ""
    assert "sentimental is no task of llms" in result.output
    assert "Did you mean sentiment" in result.output


def test_offline_one_message_names_what_is_in_the_cache(tmp_path, monkeypatch):
    cache = tmp_path / "hub" / "hub"
    for folder in ("models--owner--fine-model", "models--other--thing", "datasets--owner--rows"):
        (cache / folder / "snapshots" / COMMIT).mkdir(parents=True)
        (cache / folder / "snapshots" / COMMIT / "config.json").write_text("{}")
        (cache / folder / "refs").mkdir()
        (cache / folder / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    message = run("hub", "search", "fine", status=1)
    assert "HF_HUB_OFFLINE says not to connect; of the models in the cache, 1 match: owner/fine-model" in message
    assert "none of the 2 models in the cache matches" in run("hub", "search", "nothing", status=1)
    assert "owner/rows (llms data head owner/rows)" in run("data", "search", status=1)
    assert "in the cache are owner/rows" in run("data", "head", "x/y", status=1)
    snapshot = cache / "datasets--owner--rows" / "snapshots" / COMMIT
    (snapshot / "main").mkdir()
    for split, count in (("train", 3), ("test", 2)):
        for part in range(2):
            (snapshot / "main" / f"{split}-0000{part}-of-00002.parquet").write_bytes(parquet(count, ["no", "yes"]))
    rows = listed("data", "head", "owner/rows", "--split", "test")
    assert rows == [{"text": "text 0", "label": "no"}, {"text": "text 1", "label": "yes"}] * 2
    assert len(listed("data", "head", f"owner/rows@{COMMIT[:8]}")) == 6
    assert "with splits test, train; choose one, not 'dev', with --split" in run(
        "data", "head", "owner/rows", "--split", "dev", status=2
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "which does not answer; connect" in run("data", "info", "x/y", status=1)


def test_a_data_set_is_described_by_one_request(hub):
    facts = json.loads(run("data", "info", "x/y", "--json").stdout)
    assert len(hub.asked) == 1
    assert (facts["licence"], facts["languages"], facts["revision"]) == ("cc-by-nc-4.0", ["en"], COMMIT)
    (config,) = facts["configs"]
    assert config["splits"][1] == {"name": "test", "rows": 10, "bytes": 400}
    assert config["features"] == {"text": "string", "label": "label (2)"}
    assert "label (2)" in run("data", "info", "x/y").output


def of_process(hub, *arguments, status=0):
    """In a process of its own: the library reads its settings when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "llms", "data", *arguments], env=environment, capture_output=True, text=True
    )
    assert result.returncode == status, result.stderr
    return result


def test_rows_of_a_data_set_are_streamed_with_their_labels_named(hub, tmp_path):
    out = tmp_path / "a.csv"
    of_process(hub, "filter", "x/y", "--split", "test", "--where", 'label == "positive"', "--out", str(out))
    assert out.read_text() == "text,label\n" + "".join(f"text {n},positive\n" for n in (1, 3, 5, 7, 9))


@pytest.mark.slow
def test_a_data_set_that_is_a_program_is_not_run(hub, monkeypatch):
    script = {f"/datasets/x/y/resolve/{COMMIT}/y.py": b"raise SystemExit('code was run')"}
    monkeypatch.setattr(hub, "files", {**hub.files, **script})
    message = of_process(hub, "head", "x/y", status=1).stderr
    assert "llms runs no code of a data set" in message


@pytest.mark.slow
def test_a_split_or_configuration_that_is_not_there_names_those_that_are(hub, tmp_path):
    assert "choose one with --split: train, test" in of_process(hub, "head", "x/y", "--split", "dev", status=2).stderr
    assert "choose with --config" in of_process(hub, "head", "x/y", "--config", "none", status=2).stderr


def test_rows_are_sent_only_where_someone_agrees_and_with_a_token(hub, tmp_path, monkeypatch):
    file = tmp_path / "mine.csv"
    file.write_text("text,label\ngood,positive\n")
    assert "--yes where nobody answers" in run("data", "push", file, "owner/rows", status=2).output
    assert "needs a token" in run("data", "push", file, "owner/rows", "--yes", status=2)
    assert hub.posted == []
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    result = run("data", "push", file, "owner/rows", "--yes")
    assert "1 row, 25 bytes, columns text, label" in result.output
    assert "EVERYBODY" in result.output
    assert f"sent: {hub.url}/datasets/owner/rows" in result.output
    assert "hf_secret" not in result.output
    created = next(json.loads(body) for path, body in hub.posted if path == "/api/repos/create")
    assert (created["name"], created["organization"], created["type"]) == ("rows", "owner", "dataset")
    commit = next(body for path, body in hub.posted if "/commit/" in path)
    assert b"data/mine.csv" in commit
    assert "only its owner" in run("data", "push", file, "owner/rows", "--private", "--yes").output
