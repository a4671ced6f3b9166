"""The page of runs: sentences about each stand apart."""

from dataclasses import replace

import llms
from llms.testing import ScriptedModel
from llms.workbench.html_report import page


def test_sentences_about_a_run_are_apart():
    (run,) = llms.evaluate(ScriptedModel(lambda text: "x"), ["gsm8k"], limit=3).reports.values()
    text = page([replace(run, counts={**run.counts, "unparsed": 2, "truncated": 0}, cut=13, cut_tokens=400)])
    assert "In 2 answers nothing could be read, which counts as wrong. 13 prompts lost 400 tokens on the left." in text
    assert "<script" not in text
