"""Runs in the formats of others: lm-evaluation-harness, Every Eval Ever, the hub's community results."""

import json

from .. import settings
from ..arena.published.every_eval_ever_log import log_of
from ..arena.published.grading import recipe
from ..arena.published.public_names import public_name
from ..benchmarks.catalogue import CATALOGUE
from ..errors import UsageError
from ..evaluation.report import Report
from ..statistics.direction import more_is_better
from ..store.runs import Runs, StoredRun
from ..values import Json

METRICS = {
    "mc1": "acc",
    "mc2": "acc",
    "exact_match_strict": "exact_match,strict-match",
    "exact_match_flexible": "exact_match,flexible-extract",
}


def harness_results(name: str) -> dict[str, Json]:
    """A run in the results format of lm-evaluation-harness 0.4.13 (`results_*.json`)."""
    run, report = _finished(name)
    key, system = run.key, public_name(run.key.system.name)
    version = "1" if key.data == "file" else key.version  # of one's own file it holds the prompt
    groups = {key.benchmark: report.scores, **{f"{key.benchmark}_{s}": scores for s, scores in report.subsets.items()}}
    results: dict[str, dict[str, Json]] = {}
    for task, scores in groups.items():
        results[task] = {"alias": task}
        for metric, score in scores.items():
            theirs = METRICS.get(metric, metric)
            metric_name, _, filter_name = theirs.partition(",")
            results[task][f"{metric_name},{filter_name or 'none'}"] = score.value
            results[task][f"{metric_name}_stderr,{filter_name or 'none'}"] = (
                "N/A" if score.stderr is None else score.stderr
            )
    return {
        "results": results,
        "group_subtasks": {key.benchmark: [f"{key.benchmark}_{s}" for s in report.subsets]},
        "configs": {key.benchmark: {"task": key.benchmark, "num_fewshot": key.shots, "metadata": {"version": version}}},
        "versions": {key.benchmark: version},
        "n-shot": {key.benchmark: key.shots},
        "higher_is_better": {
            key.benchmark: {METRICS.get(m, m).split(",")[0]: more_is_better(m) for m in report.scores}
        },
        "n-samples": {key.benchmark: {"original": report.available, "effective": report.n}},
        "config": {"model": "llms", "model_args": system, "limit": None, "random_seed": key.seed},
        "model_name": system,
        "chat_template_sha": key.system.template if key.chat_template else None,
        "total_evaluation_time_seconds": str(report.usage.seconds),
    }


def every_eval_ever(name: str) -> dict[str, Json]:
    """A run as a file of Every Eval Ever."""
    run, report = _finished(name)
    return log_of(report, run.updated)


def hub_results(name: str) -> str:
    """A run as YAML for `.eval_results/` of a model on the hub: one entry, in percent, with how it was asked as notes.

    Raises UsageError for rows that are not those of the benchmark's dataset, and for a part of them.
    """
    run, report = _finished(name)
    key, score = report.key, report.score
    benchmark = CATALOGUE.get(key.benchmark.partition(":")[0])
    if benchmark is None or key.data not in ("hub", "folder"):
        raise UsageError(
            f"run {run.run} is of {key.data} rows, which no dataset on the hub holds; only runs of a benchmark's own rows "
            "(--data hub, or a folder of them) can stand on its board"
        )
    if report.partial or score is None:
        raise UsageError(
            f"run {run.run} covers {report.n} of {report.available} items; a part does not stand on a board. Run it without --limit"
        )
    configs = {part.config for part in benchmark.parts}
    interval = (
        "" if score.low is None or score.high is None else f", 95 % [{100 * score.low:.2f}, {100 * score.high:.2f}]"
    )
    notes = (
        f"percent; {report.shown}, {key.shots}-shot{f' {key.draw}' if key.shots else ''}, "
        f"{'chat template' if key.chat_template else 'raw text'}, view {key.view}; n = {score.n}{interval} ({score.method}); "
        f"llms, recipe {recipe(key, report.shown)}"
    )
    task = configs.pop() if len(configs) == 1 else key.benchmark
    return (
        f"- dataset:\n    id: {_text(benchmark.dataset.hub)}\n    task_id: {_text(task or key.benchmark)}\n"
        f"  value: {100 * score.value:.4f}\n  date: {_text(run.updated[:10])}\n  notes: {_text(notes)}\n"
    )


def _text(text: str) -> str:
    """A YAML scalar: JSON's strings are such."""
    return json.dumps(text)


def _finished(name: str) -> tuple[StoredRun, Report]:
    """A run and its report. Raises UsageError where it has no result."""
    with Runs(settings.database()) as store:
        run = store.find(name)
    if run.report is None or not run.report.n:
        raise UsageError(f"run {run.run} has no result yet; finish it with the llms eval command that began it")
    return run, run.report
