"""`llms scaling` from outside: JSON of the documented shape, pictures, errors of one line."""

import json
import math
import subprocess
import sys

import pytest
from click.testing import CliRunner

from llms.cli.main import cli
from llms.errors import DataError, UsageError
from llms.training.scaling.law import ScalingLaw
from llms.workbench import scaling as verb

LAW = ScalingLaw(E=1.8, A=400.0, B=1500.0, alpha=0.35, beta=0.36)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "runs.csv"
    lines = [
        f"{n},{d},{LAW.loss(n, d) * (1 + 0.003 * math.sin(i * 7 + j))}"
        for i, n in enumerate((1e7, 4e7, 1.6e8, 6.4e8))
        for j, d in enumerate((5e8, 2e9, 8e9, 3.2e10))
    ]
    path.write_text("\n".join(["parameters,tokens,loss", *lines]))
    return path


def run(*arguments):
    result = CliRunner().invoke(cli, ["scaling", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_fit_as_json_has_the_documented_shape(file):
    (line,) = run("fit", file, "--refits", "50", "--json").stdout.splitlines()
    fit = json.loads(line)
    assert fit["objective"] > 0
    assert (fit["runs"], fit["unit"], fit["refits"]) == (16, "nats per token", 50)
    for name in ("E", "A", "B", "alpha", "beta", "a", "b", "tokens_per_parameter"):
        low, high = fit["intervals"][name]
        assert low <= high
        if name != "tokens_per_parameter":
            assert low <= fit[name] * 1.1
            assert high >= fit[name] * 0.9
    assert fit["largest_flops"] == pytest.approx(6 * 6.4e8 * 3.2e10)
    assert "intervals" in json.loads(run("fit", file, "--refits", "0", "--json").stdout)


def test_fit_draws_the_runs_and_names_every_parameter(file):
    shown = run("fit", file, "--refits", "50").stdout
    assert "16 runs" in shown
    drawn = [line.split("│", 1)[1] for line in shown.splitlines() if "│" in line]
    assert sum(line.count("●") for line in drawn) >= 8  # some lie upon one another
    assert any("━" in line for line in drawn)
    assert any("·" in line for line in drawn)
    for name in ("alpha", "beta", "D*/N*", "95 % interval"):
        assert name in shown


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_the_picture_is_what_its_name_says_and_the_same_each_time(file, tmp_path, suffix, begins):
    for name in ("a", "b"):
        run("fit", file, "--refits", "20", "--plot", tmp_path / f"{name}{suffix}", "--json")
    first, second = (tmp_path / f"{name}{suffix}" for name in ("a", "b"))
    assert first.read_bytes().startswith(begins)
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_of_another_kind_is_refused(file, tmp_path):
    with pytest.raises(UsageError, match=r"law\.pdf: expected a name that ends in \.svg or \.png"):
        run("fit", file, "--refits", "0", "--plot", tmp_path / "law.pdf")


def test_plan_as_json_has_intervals_from_a_fit_alone(file):
    fitted = json.loads(run("plan", "--flops", "1e21", "--fit", file, "--json").stdout)
    assert set(fitted["intervals"]) == {"parameters", "tokens", "tokens_per_parameter", "loss"}
    assert fitted["intervals"]["loss"][0] <= fitted["loss"] <= fitted["intervals"]["loss"][1]
    assert 6 * fitted["parameters"] * fitted["tokens"] == pytest.approx(1e21)
    assert not fitted["extrapolated"]  # 8 times the largest run
    paper = json.loads(run("plan", "--flops", "1e24", "--law", "hoffmann", "--json").stdout)
    assert (paper["intervals"], paper["extrapolated"], paper["limited"]) == ({}, True, None)
    assert [model["share"] for model in paper["smaller"]] == [2, 4, 8]


def test_plan_says_that_it_extrapolates_and_that_a_paper_gives_no_interval():
    near, far = (run("plan", "--flops", flops).stdout for flops in ("1e21", "1e24"))
    assert "beyond 10 times no run speaks" in far
    assert "beyond 10 times no run speaks" not in near
    assert "no interval" in near
    assert "with 1B tokens, each seen once" in run("plan", "--flops", "1e21", "--tokens-available", "1e9").stdout


def test_without_a_file_the_fit_is_of_the_runs_that_come_along(monkeypatch, file):
    monkeypatch.setattr(verb, "EXAMPLE", file)
    assert json.loads(run("fit", "--refits", "0", "--json").stdout)["source"] == str(file)
    monkeypatch.setattr(verb, "EXAMPLE", file.parent / "absent.csv")
    with pytest.raises(UsageError, match="llms scaling run TEXT --out grid makes one"):
        run("fit")


def test_plan_refuses_what_contradicts_itself(file):
    with pytest.raises(UsageError, match="are two laws"):
        run("plan", "--flops", "1e21", "--fit", file, "--law", "epoch")
    with pytest.raises(UsageError, match="no published law 'kaplan'"):
        run("plan", "--flops", "1e21", "--law", "kaplan")
    empty = file.parent / "empty.csv"
    empty.write_text("parameters,tokens,loss\n")
    with pytest.raises(DataError, match="has no rows"):
        run("fit", empty)


def test_help_loads_neither_scipy_nor_torch_nor_matplotlib():
    program = (
        "import sys; from click.testing import CliRunner; from llms.cli.main import cli\n"
        "for words in (['scaling'], ['scaling', 'fit'], ['scaling', 'plan'], ['scaling', 'run']):\n"
        "    assert CliRunner().invoke(cli, [*words, '--help']).exit_code == 0\n"
        "print([name for name in ('scipy', 'torch', 'matplotlib', 'transformers') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
