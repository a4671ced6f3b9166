"""Every Eval Ever, schema 0.3.0: a run's report written as a file of it, which `every_eval_ever` reads back."""

import json
from datetime import datetime
from math import isfinite

from ... import __version__
from ...benchmarks.catalogue import CATALOGUE
from ...evaluation.plan import RunKey
from ...evaluation.report import Report
from ...models.name import parse
from ...statistics.direction import in_nats, more_is_better
from ...values import Json, Score
from .every_eval_ever import LIBRARY
from .grading import recipe
from .public_names import model_id, public_name

VERSION = "0.3.0"
_CANONICAL = {"acc": "accuracy"}  # metrics that have a name of their own everywhere
_SAMPLING = ("temperature", "top_p")


def log_of(report: Report, updated: str) -> dict[str, Json]:
    """The file's object: every metric of the whole and of each subset, with error, interval, method and n.

    `updated` is when the run ended, ISO 8601. Names of folders and files on this machine are cut to their last part; texts of
    the user's own (prompts, rubrics) are left out, as the recipe's digest stands for them.
    """
    key = report.key
    stamp = f"{datetime.fromisoformat(updated).timestamp():.0f}"
    results = [_result(report, metric, score) for metric, score in report.scores.items()]
    results += [
        _result(report, metric, score, subset)
        for subset, scores in report.subsets.items()
        for metric, score in scores.items()
    ]
    return {
        "schema_version": VERSION,
        "evaluation_id": f"{key.benchmark}/{model_id(key.system.name)}/{key.run}",
        "evaluation_timestamp": stamp,
        "retrieved_timestamp": stamp,
        "source_metadata": {
            "source_name": LIBRARY,
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": LIBRARY, "version": __version__},
        "model_info": _model(key),
        "evaluation_results": results,
    }


def _model(key: RunKey) -> dict[str, Json]:
    system, name = key.system, parse(key.system.name) if key.system.name else None
    local = name is not None and name.local
    stated = {
        "weights": system.weights if local else "",  # an endpoint's are its address
        "dtype": system.dtype,
        "quantization": system.quantization,
        "adapter": system.adapter,
        "tokenizer": system.tokenizer,
        "template": system.template if key.chat_template else "",
    }
    return {
        "name": public_name(system.name),
        "id": model_id(system.name),
        "additional_details": {
            "deployment_type": "self_deployed" if local else "externally_managed" if name else "unknown",
            "model_availability": "open_weights" if name and "/" in model_id(system.name) and local else "unknown",
            **{field: value for field, value in stated.items() if value},
        },
    }


def _result(report: Report, metric: str, score: Score, subset: str = "") -> dict[str, Json]:
    key = report.key
    low, high = _bounds(metric)
    part = {"level": "part", "part_of": key.benchmark, "part": subset} if subset else {"level": "overall"}
    return {
        "evaluation_result_id": f"{key.run}/{subset}/{metric}" if subset else f"{key.run}/{metric}",
        "evaluation_name": f"{key.benchmark}.{subset}" if subset else key.benchmark,
        "source_data": _source(report),
        "metric_config": {
            "metric_id": _CANONICAL.get(metric, metric),
            "metric_name": metric,
            "metric_unit": "nats" if in_nats(metric) else "proportion" if (low, high) == (0, 1) else "points",
            "lower_is_better": not more_is_better(metric),
            "score_type": "continuous",
            "min_score": low,
            "max_score": high,
            "additional_details": {
                "llms_recipe": recipe(key, metric, subset),
                "headline": "true" if metric == report.shown else "false",
                **part,
            },
        },
        "score_details": {
            "score": score.value,
            "uncertainty": _uncertainty(score),
            "details": {
                "failed": str(report.failed),
                **{name: str(report.counts.get(name, 0)) for name in ("unparsed", "truncated", "refused")},
                "partial": "true" if report.partial else "false",
                **({} if score.clusters is None else {"clusters": str(score.clusters)}),
            },
        },
        "generation_config": _generation(key),
    }


def _uncertainty(score: Score) -> dict[str, Json]:
    """Standard error and 95 % interval with their method, and n; what is not known is left out."""
    result: dict[str, Json] = {"num_samples": score.n}
    if score.stderr is not None:
        result["standard_error"] = {"value": score.stderr, "method": score.method}
    if score.low is not None and score.high is not None:
        result["confidence_interval"] = {
            "lower": score.low,
            "upper": score.high,
            "confidence_level": 0.95,
            "method": score.method,
        }
    return result


def _source(report: Report) -> dict[str, Json]:
    """The rows that were asked: the benchmark's own on the hub, or what this project or the user wrote."""
    key = report.key
    benchmark = CATALOGUE.get(key.benchmark.partition(":")[0])
    details: dict[str, Json] = {"rows": key.data, "revision": key.revision}
    if benchmark and key.data in ("hub", "folder"):
        return {
            "dataset_name": benchmark.dataset.hub,
            "source_type": "hf_dataset",
            "hf_repo": benchmark.dataset.hub,
            "samples_number": report.available,
            "additional_details": details,
        }
    name = {"sample": f"sample of llms for {key.benchmark}", "fresh": f"fresh items of llms for {key.benchmark}"}
    return {
        "dataset_name": name.get(key.data, key.benchmark),
        "source_type": "other",
        "additional_details": {**details, "samples_number": str(report.available)},
    }


def _generation(key: RunKey) -> dict[str, Json]:
    sampling: dict[str, Json] = {} if key.decoding == "loglikelihood" else json.loads(key.decoding)
    arguments: dict[str, Json] = {name: sampling[name] for name in _SAMPLING if name in sampling}
    arguments |= {"reasoning": True} if key.thinking else {}
    details = {
        "shots": key.shots,
        "draw": key.draw if key.shots else "",
        "view": key.view,
        "chat_template": "on" if key.chat_template else "off",
        "window": key.window,
        "seed": key.seed,
        "samples": key.samples,
        "scoring": "loglikelihood" if key.decoding == "loglikelihood" else "generation",
        "scorer": key.scorer,
        "sandbox": key.sandbox,
        "version": "" if key.data == "file" else key.version,  # of one's own file it holds the prompt
        "llms_run": key.run,
    }
    stated: dict[str, Json] = {name: str(value) for name, value in details.items() if value != ""}
    return {"generation_args": arguments, "additional_details": stated}


def _bounds(metric: str) -> tuple[float, float]:
    """The least and the largest value of a metric: BLEU and ROUGE count up to 100, all others are shares, but
    for losses, of which none is as large as 100 nats a token."""
    if in_nats(metric):
        return 0.0, 100.0
    if metric.startswith(("bleu", "rouge")) and metric.endswith(("_max", "_diff")):
        return (-100.0 if metric.endswith("_diff") else 0.0), 100.0
    return 0.0, 1.0


def is_writable(report: Report) -> bool:
    """Whether there is a score to write, and all numbers are finite."""
    return bool(report.scores) and all(isfinite(score.value) for score in report.scores.values())
