"""`llms doctor`: finds what is broken, names the command that repairs it, connects to nothing, loads nothing heavy."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from llms import settings
from llms.models.local import embedded
from llms.store.database import MIGRATIONS, Database
from llms.store.health import examine
from llms.workbench import doctor, machine
from llms.workbench.doctor import Check, examine_all
from test_embedded import GUARD

CHECKS = {
    "python", "packages", "processor", "gpu", "home", "hub cache", "database", "embedded model", "llama.cpp", "sandbox", "compilers", "hub",
}  # fmt: skip


def run(*arguments: str, path: Path | None = None) -> tuple[int, list[dict]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(path or ""), *sys.path]))}
    ran = subprocess.run(
        [sys.executable, "-m", "llms", "doctor", *arguments, "--json"], capture_output=True, text=True, env=environment
    )
    assert ran.returncode in (0, 1), ran.stderr
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()]


def found(name: str, **options) -> Check:
    return next(check for check in examine_all(**options) if check.name == name)


def test_each_check_is_an_object_and_nothing_is_made_connected_to_or_loaded(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    monkeypatch.setenv("LLMS_TEST_CONNECTIONS", str(tmp_path / "connections"))
    status, rows = run(path=tmp_path)
    assert all(set(row) == {"name", "state", "detail", "repair", "needed"} for row in rows)
    assert {row["name"] for row in rows} >= CHECKS
    assert {row["state"] for row in rows} <= {"ok", "off", "broken"}
    broken = [row for row in rows if row["state"] == "broken"]
    assert all(row["repair"] for row in broken)
    assert status == any(row["needed"] for row in broken)
    assert not (tmp_path / "connections").exists()
    assert not settings.home().exists()
    assert next(row for row in rows if row["name"] == "hub")["detail"].startswith("not asked")


def test_people_get_the_repair_under_what_is_broken(monkeypatch, tmp_path):
    from click.testing import CliRunner

    from llms.cli.doctor import doctor as command

    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123 456789abcdef")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "file" / "home"))
    ran = CliRunner().invoke(command)
    assert ran.exit_code == 1
    assert "→ export LLMS_HOME=" in ran.stdout
    assert "holds white space" in ran.stdout
    assert "456789" not in ran.stdout


def test_a_torchvision_that_breaks_transformers_is_found_by_importing_it_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "torchvision-0.28.0.dist-info").mkdir()
    (tmp_path / "torchvision-0.28.0.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 0.28.0\n")
    package = tmp_path / "torchvision.py"
    package.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    status, rows = run(path=tmp_path)
    (row,) = [row for row in rows if row["name"] == "torchvision"]
    assert (status, row["state"], row["needed"]) == (1, "broken", True)
    assert "operator torchvision::nms does not exist" in row["detail"]
    assert row["repair"] == "pip uninstall -y torchvision"
    package.write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert found("torchvision").state == "ok"


def test_packages_that_are_missing_or_of_another_version_are_named(monkeypatch):
    from importlib import metadata

    wanted = ["click>=8.1", "nothing-like-it>=2", "nox>=1; extra == 'local'", "pytest>=999; extra == 'eval'"]
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    base, local, evaluation = (found(name) for name in ("packages", "extra local", "extra eval"))
    assert (base.state, base.needed, base.detail) == ("broken", True, "not installed: nothing-like-it")
    assert (local.state, local.needed) == ("off", False)
    assert local.repair == "pip install 'llm-engineering[local]'"
    assert evaluation.state == "broken"
    assert f"pytest {pytest.__version__} (needs >=999)" in evaluation.detail


def test_the_database_is_examined_without_being_touched(tmp_path):
    path = tmp_path / "llms.sqlite3"
    assert examine(path).schema is None
    Database(path).close()
    content = path.read_bytes()
    assert (examine(path).schema, examine(path).problem) == (len(MIGRATIONS), None)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    path.write_bytes(content[:4096] + b"x" * 4096 + content[8192:])
    assert examine(path).problem
    path.write_bytes(b"no database" * 100)
    assert "not a database" in examine(path).problem


@pytest.mark.parametrize(("version", "state"), [(0, "ok"), (len(MIGRATIONS), "ok"), (999, "broken")])
def test_a_database_of_a_newer_version_asks_for_an_upgrade(version, state):
    settings.home().mkdir(parents=True)
    with sqlite3.connect(settings.database()) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    check = found("database")
    assert (check.state, check.needed) == (state, True)
    assert ("--upgrade" in check.repair) == (state == "broken")


def test_a_torn_conversion_of_the_embedded_model_is_found(tiny):
    folder = embedded.folder()
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    whole = (Path(tiny) / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole)
    assert found("embedded model").state == "ok"
    for torn in (whole[:-1], whole[:4], b""):
        (folder / "model.safetensors").write_bytes(torn)
        check = found("embedded model")
        assert (check.state, check.repair) == ("broken", "llms models rm smollm2 --yes")


def test_keys_are_told_by_their_first_characters_and_a_spoilt_one_is_broken(monkeypatch):
    for name in ("GROQ_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "a" * 40)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-" + "b" * 40 + "\nOTHER")
    monkeypatch.setenv("OPENROUTER_API_KEY", '"sk-or-' + "c" * 40 + '"')
    assert found("key openai") == Check("key openai", "ok", "sk-aaaaa…")
    assert found("key anthropic").state == found("key openrouter").state == "broken"
    assert "GROQ_API_KEY" in found("keys").detail


def test_online_asks_the_hub_and_this_machine(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:9/v1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert found("hub", online=True).state == "ok"
    check = found("hub", online=True)
    assert (check.state, check.needed) == ("broken", False)
    assert found("ollama", online=True).repair == "ollama serve"


def test_a_gpu_that_torch_cannot_use_is_said(monkeypatch):
    monkeypatch.setattr(machine, "gpus", lambda: [machine.Gpu("NVIDIA X", 8 * 10**9)])
    monkeypatch.setattr(doctor, "_version", lambda name: "2.13.0+cpu")
    assert found("gpu").detail == "NVIDIA X (8 GB); torch 2.13.0+cpu cannot use it"
    assert found("gpu").repair == "pip install --force-reinstall torch==2.13.0"


def test_the_machine_is_described():
    assert settings.cores() >= 1
    assert machine.processor()
    total, free = machine.memory()
    assert 0 < free <= total
