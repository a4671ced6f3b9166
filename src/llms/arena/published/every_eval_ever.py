"""Every Eval Ever, the commons of evaluation results (arXiv 2606.14516), schema 0.3.0: its files read.

A file is one object of a model's results, or a list of such. What cannot be taken is refused by name, and the rest goes on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ...data.text_file import TextFile
from ...errors import DataError
from ...values import Json
from .names import benchmark_name, is_known
from .result import RELATIONSHIPS, PublishedReading, PublishedResult, Refusal, Relationship
from .scale import StatedScore, Unusable, bound, from_error, number, refuse_ambiguous, stated_scale

KNOWN = (0, 3)  # the schema's version, major and minor, up to which fields are known
LIBRARY = "llms"
_WHOLE = re.compile(r"\b(overall|average|avg|aggregate|total|mean|macro|micro)\b", re.IGNORECASE)
_SCORERS = frozenset(  # names of scorers that stand where the name of what was evaluated should
    ["choice", "accuracy", "acc", "match", "exactmatch", "score", "includes", "answer", "pattern", "verify", "modelgradedqa"]
)  # fmt: skip
_SHOTS = ("num_fewshot", "n_shot", "nshot", "shots", "n_shots", "fewshot", "num_shots", "few_shot")
_SEPARATORS = (".", "/", ":", " - ", " (", "_")
JsonFields = Mapping[str, Json]


def read_file(path: Path, source: str) -> PublishedReading:
    """The results of one file, in whatever encoding; `source` names it for the user."""
    try:
        value: Json = json.loads(TextFile(path).text())
    except DataError as error:
        return PublishedReading((), (Refusal(source, "", str(error).replace(str(path), path.name)),))
    except (ValueError, RecursionError) as error:
        return PublishedReading((), (Refusal(source, "", f"it is not JSON: {error}"),))
    return read_value(value, source)


def read_value(value: Json, source: str) -> PublishedReading:
    """The results of a parsed file: an object, or a list of them."""
    logs = value if isinstance(value, list) else [value]
    results: list[PublishedResult] = []
    refused: list[Refusal] = []
    notes: list[str] = []
    for position, log in enumerate(logs, 1):
        entry = f"evaluation {position}" if len(logs) > 1 else ""
        if not isinstance(log, Mapping) or not isinstance(log.get("evaluation_results"), list):
            reason = "it has no list evaluation_results, so it is not a file of Every Eval Ever"
            refused.append(Refusal(source, entry, reason))
            continue
        try:
            if note := _version_note(log):
                notes.append(f"{source}: {note}")
            taken, left = _read_log(log, source)
        except Unusable as error:
            refused.append(Refusal(source, entry, str(error)))
            continue
        results += taken
        refused += left
    return PublishedReading(tuple(results), tuple(refused), tuple(dict.fromkeys(notes)))


def _version_note(log: JsonFields) -> str:
    """A note on a newer schema. Raises Unusable for one of another major version."""
    version = _text(log, "schema_version")
    parts = re.match(r"(\d+)\.(\d+)", version)
    if not parts:
        return "it states no schema_version; its fields are read by their names"
    major, minor = int(parts[1]), int(parts[2])
    if major > KNOWN[0]:
        raise Unusable(f"schema_version {version} is newer than 0.{KNOWN[1]}, which is known here; update llms")
    if minor > KNOWN[1]:
        return f"schema_version {version} is newer than 0.{KNOWN[1]}; what it added is not read"
    return ""


def _read_log(log: JsonFields, source: str) -> tuple[list[PublishedResult], list[Refusal]]:
    model, origin, library = (_object(log, name) for name in ("model_info", "source_metadata", "eval_library"))
    ours = _text(library, "name") == LIBRARY
    system = (_text(model, "name") if ours else "") or _text(model, "id") or _text(model, "name")
    if not system:
        raise Unusable("it names no model; model_info needs an id or a name")
    stated = origin.get("evaluator_relationship")
    relationship: Relationship = next((known for known in RELATIONSHIPS if known == stated), "other")
    entries = [entry for entry in _list(log, "evaluation_results") if isinstance(entry, Mapping)]
    places = _placed(entries, ours)
    results, refused = [], []
    for entry, (benchmark, part) in zip(entries, places, strict=True):
        name = " ".join(filter(None, (_text(entry, "evaluation_name") or benchmark, _metric(entry, ours))))
        try:
            score = _score(entry)
            results.append(
                PublishedResult(
                    system=system,
                    benchmark=benchmark,
                    part=part,
                    metric=_metric(entry, ours) or "score",
                    source=source,
                    publisher=_text(origin, "source_organization_name") or _text(origin, "source_name"),
                    relationship=relationship,
                    recipe=_recipe(entry) if ours else "",
                    setup=_setup(entry, library),
                    base=_text(_object(model, "additional_details"), "inherited_from"),
                    url=_text(origin, "source_organization_url"),
                    date=_date(_text(entry, "evaluation_timestamp") or _text(log, "evaluation_timestamp")),
                    evaluation=_text(log, "evaluation_id"),
                    value=score.value,
                    scale=score.scale,
                    higher_is_better=score.higher_is_better,
                    low=score.low,
                    high=score.high,
                    stderr=score.stderr,
                    method=score.method,
                    n=score.n,
                )
            )
        except Unusable as error:
            refused.append(Refusal(source, f"{system} on {name}", str(error)))
    return results, refused


def _score(entry: JsonFields) -> StatedScore:
    """The score of an entry on our scale. Raises Unusable."""
    config, details = _object(entry, "metric_config"), _object(entry, "score_details")
    unit, binary = _text(config, "metric_unit"), config.get("score_type") == "binary"
    bounds = bound(config.get("min_score"), "min_score"), bound(config.get("max_score"), "max_score")
    stated = number(details.get("score"), "score")
    if stated is None:
        raise Unusable("it has no score; score_details needs a number")
    scale = stated_scale(unit, *bounds, binary=binary)
    value = scale.read(stated, "score")
    refuse_ambiguous(stated, scale, unit, *bounds)
    score = StatedScore(value, scale.scale, config.get("lower_is_better") is not True)
    return _with_uncertainty(score, details, scale.factor)


def _with_uncertainty(score: StatedScore, details: JsonFields, factor: float) -> StatedScore:
    """The score with its interval, error and size, as far as the file says them: before 0.2.2 they stood beside the score."""
    stated = _object(details, "uncertainty") or details
    error = stated.get("standard_error")
    by = f" ({_text(error, 'method')})" if isinstance(error, Mapping) and error.get("method") else ""
    spread = number(error.get("value") if isinstance(error, Mapping) else error, "standard_error")
    if spread is not None and spread < 0:
        raise Unusable(f"standard_error {spread:g} is negative")
    size = number(stated.get("num_samples"), "num_samples")
    score = replace(
        score, stderr=None if spread is None else spread * factor, n=int(size) if size and size > 0 else None
    )
    interval = _object(stated, "confidence_interval")
    low, high = number(interval.get("lower"), "lower"), number(interval.get("upper"), "upper")
    level = number(interval.get("confidence_level"), "confidence_level")
    if low is not None and high is not None:
        low, high = low * factor, high * factor
        if not low - 1e-9 <= score.value <= high + 1e-9:
            raise Unusable(f"its interval {low:g} to {high:g} does not hold its score {score.value:g}")
        if level is not None and abs(level - 0.95) > 1e-9:
            return replace(score, method=f"published with {100 * level:g} % bounds, not 95 %")
        how = _text(interval, "method") or "as published"
        return replace(score, low=low, high=high, method=how + (", level not stated" if level is None else ""))
    if score.stderr is not None:
        low, high = from_error(score.value, score.stderr, score.scale)
        return replace(score, low=low, high=high, method=f"normal, by the published standard error{by}")
    return replace(score, method="no interval was published")


def _placed(entries: Sequence[JsonFields], ours: bool) -> list[tuple[str, str]]:
    """(benchmark, part) of each entry. A total and its parts are told apart by their names and their common dataset.

    An entry that is not clearly the whole of a benchmark is a part of it: parts never stand in the column of a whole.
    """
    names = [_text(entry, "evaluation_name") for entry in entries]
    sets = [_text(_object(entry, "source_data"), "dataset_name") for entry in entries]
    places = []
    for entry, name, dataset in zip(entries, names, sets, strict=True):
        details = _object(_object(entry, "metric_config"), "additional_details")
        if ours and (whole := _text(details, "part_of")):
            places.append((whole, _text(details, "part")))
            continue
        if ours or is_known(name):
            places.append((benchmark_name(name, dataset), ""))
            continue
        wholes = [other for other in set(names) if any(name.startswith(other + s) for s in _SEPARATORS) and other]
        if wholes:
            whole = max(wholes, key=len)
            places.append((benchmark_name(whole), name[len(whole) :].strip(" ./:-_()")))
            continue
        beside = {other for other, its in zip(names, sets, strict=True) if its == dataset} - {name}
        places.append(_by_dataset(name, dataset, beside))
    return places


def _by_dataset(name: str, dataset: str, beside: set[str]) -> tuple[str, str]:
    """(benchmark, part) of an entry whose own name says neither; `beside` are other entries' names of the same dataset."""
    if not dataset or not name or _plain(name) == _plain(dataset):
        return benchmark_name(dataset, name), ""
    if _WHOLE.search(name):
        return benchmark_name(dataset), ""
    total = any(_plain(other) == _plain(dataset) or _WHOLE.search(other) for other in beside)
    if total or (is_known(dataset) and _plain(name) not in _SCORERS):
        return benchmark_name(dataset), name
    return (benchmark_name(dataset) if is_known(dataset) else f"{dataset}: {name}"), ""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _metric(entry: JsonFields, ours: bool) -> str:
    config = _object(entry, "metric_config")
    order = ("metric_name", "metric_id") if ours else ("metric_id", "metric_name")
    return next(filter(None, (_text(config, name) for name in (*order, "evaluation_description"))), "")[:80]


def _recipe(entry: JsonFields) -> str:
    digest = _text(_object(_object(entry, "metric_config"), "additional_details"), "llms_recipe")
    return digest if re.fullmatch(r"[0-9a-f]{16}", digest) else ""


def _setup(entry: JsonFields, library: JsonFields) -> str:
    """How it was asked, as far as the file says it: shots, temperature, reasoning, the library."""
    config = _object(entry, "generation_config")
    arguments, details = _object(config, "generation_args"), _object(config, "additional_details")
    further = {**details, **_object(_object(entry, "metric_config"), "additional_details")}
    words = [f"{further[name]}-shot" for name in _SHOTS if name in further][:1]
    words += [f"view {further['view']}"] if library.get("name") == LIBRARY and further.get("view") else []
    if (temperature := arguments.get("temperature")) is not None:
        words.append(f"temperature {temperature}")
    words += ["reasoning"] if arguments.get("reasoning") is True else []
    if (name := _text(library, "name")) and name != "unknown":
        version = _text(library, "version")
        words.append(f"{name} {version}".removesuffix(" unknown").strip())
    return ", ".join(words)[:200]


def _date(stamp: str) -> str:
    """A day, of seconds since 1970 or of an ISO date; empty for what is neither."""
    try:
        return datetime.fromtimestamp(float(stamp), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return stamp[:10] if re.match(r"\d{4}-\d\d-\d\d", stamp) else ""


def _object(fields: JsonFields, name: str) -> JsonFields:
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(fields: JsonFields, name: str) -> Sequence[Json]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _text(fields: JsonFields, name: str) -> str:
    """A field as text: other values, which some files have where only text is allowed, as JSON."""
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else "" if value is None else json.dumps(value)[:200]
