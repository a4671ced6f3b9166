""".env in the working folder: what a value may look like, and that the environment has the last word."""

import os

import pytest

from llms import settings


@pytest.fixture
def value(tmp_path, monkeypatch):
    """The value of KEY under a .env of this text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEY", raising=False)

    def read(text: str) -> str | None:
        (tmp_path / ".env").write_text(text, encoding="utf-8")
        settings._dotenv.cache_clear()
        return settings.get("KEY")

    yield read
    settings._dotenv.cache_clear()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("KEY=plain", "plain"),
        ("  KEY = spaces around ", "spaces around"),
        ('KEY="double # no comment"', "double # no comment"),
        ("KEY='single'", "single"),
        ("export KEY=exported", "exported"),
        ("KEY=value   # a comment", "value"),
        ("KEY=with#inside", "with#inside"),
        ("KEY=a=b==", "a=b=="),
        ("KEY=$HOME/${HOME}", "$HOME/${HOME}"),
        ("KEY=grüße", "grüße"),
        ("# KEY=commented out", None),
        ("KEY=", None),
        ("KEY", None),
        ("OTHER=x", None),
    ],
)
def test_a_line_gives_its_value(value, line, expected):
    assert value(f"# first\n\nOTHER=1\n{line}\n") == expected


def test_a_byte_order_mark_is_no_part_of_the_first_name(value):
    assert value("\ufeffKEY=first") == "first"


def test_the_environment_has_the_last_word_and_is_not_changed(value, monkeypatch):
    monkeypatch.setenv("KEY", "environment")
    assert value("KEY=file\nSECOND=file\n") == "environment"
    assert settings.get("SECOND") == "file"
    assert "SECOND" not in os.environ


def test_only_the_working_folder_counts(value, tmp_path, monkeypatch):
    assert value("KEY=here") == "here"
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    settings._dotenv.cache_clear()
    assert settings.get("KEY") is None


def test_a_line_that_cannot_be_read_shows_no_key(value, caplog, capfd):
    assert value("KEY=good\nOTHER='sk-secret\n") == "good"
    assert "sk-secret" not in caplog.text + "".join(capfd.readouterr())
