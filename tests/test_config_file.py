"""`llms eval --config`: settings from a TOML file, under those of the command line."""

import re

import pytest
from click.testing import CliRunner

from llms.cli import evaluate
from llms.cli.main import cli
from llms.evaluation.config import EvalConfig


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """The configuration and benchmarks that a command with this file means, or its error."""

    def run(text: str, *arguments: str):
        taken = []
        monkeypatch.setattr(evaluate, "estimate", lambda systems, names, config: taken.append((names, config)) or [])
        (tmp_path / "mine.toml").write_text(text)
        result = CliRunner().invoke(
            cli, ["eval", "smollm2", "--config", str(tmp_path / "mine.toml"), "--dry-run", *arguments]
        )
        return taken[0] if taken else f"{result.exception} {result.output}"

    return run


def test_a_file_says_every_kind_of_setting(configured):
    names, config = configured(
        """
        benchmarks = ["gsm8k", "arc_easy"]
        limit = 50
        temperature = 1
        chat_template = true
        sandbox = false
        fresh = true
        draw = "fixed"
        prompt = "Q: {question}\\nA:"
        stop = ["\\n", "END"]
        by = ["region"]
        budget = 0.5
        """
    )
    assert names == ["gsm8k", "arc_easy"]
    assert config == EvalConfig(
        limit=50, temperature=1.0, chat_template=True, sandbox=False, fresh=True, draw="fixed",
        prompt="Q: {question}\nA:", stop=("\n", "END"), by=("region",), budget=0.5,
    )  # fmt: skip


def test_the_command_line_goes_before_the_file(configured):
    names, config = configured("limit = 50\nshots = 2\nbenchmarks = ['gsm8k']", "--limit", "7", "-b", "drop")
    assert (names, config.limit, config.shots) == (["drop"], 7, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limt = 5", "unknown setting in .*mine.toml 'limt'; did you mean limit"),
        ("limit = 2.5", "limit in .*mine.toml is 2.5, which is not of its type"),
        ("limit = true", "limit in .* is True"),
        ("limit = '5'", "limit in .* is '5'"),
        ("chat_template = 'on'", "chat_template in .* is 'on'"),
        ("limit = 0", "0 is not in the range"),
        ("draw = 'fxed'", "'fxed' is not one of"),
        ("limit 5", "cannot read .*mine.toml"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(configured, text, words):
    assert re.search(words, configured(text))
