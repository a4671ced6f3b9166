"""The verbs `runs` and `samples`: what is stored, in the shapes that people and scripts read."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .. import settings
from ..benchmarks.catalogue import find
from ..data import open_source
from ..errors import UsageError
from ..evaluation.plan import plan
from ..store.runs import Runs, StoredRun
from ..values import ChoicePrompt, Completion, Json, Outcome, Prompt, Scored


def all_runs() -> list[StoredRun]:
    with Runs(settings.database()) as store:
        return store.all()


def delete(names: list[str]) -> list[str]:
    """Delete the named runs; their full names."""
    with Runs(settings.database()) as store:
        found = [store.find(name).run for name in names]
        for run in found:
            store.delete(run)
        return found


def samples(
    name: str, wrong: bool = False, failed: bool = False, item: str | None = None, reveal: str | None = None
) -> Iterator[tuple[StoredRun, Prompt, Outcome]]:
    """(run, prompt, outcome) of each item of a run: all, those without a full score, those that failed, or one.

    `reveal` names the data from which prompts that are withheld (GPQA's) are made again, to be shown to this user.
    """
    with Runs(settings.database()) as store:
        run = store.find(name)
        revealed = {} if reveal is None else _revealed(run, reveal)
        headline = run.report.headline if run.report else None
        seen = False
        for prompt, outcome in store.outcomes(run.run):
            if item is not None and outcome.item != item:
                continue
            score = outcome.scores.get(headline or "", 0.0) if isinstance(outcome, Scored) else None
            if (wrong and (score is None or score >= 1)) or (failed and score is not None):
                continue
            seen = True
            yield run, revealed.get(outcome.item, prompt), outcome
        if item is not None and not seen:
            raise UsageError(
                f"run {run.run} has no item {item!r}; items are named subset/number, as llms samples shows them"
            )


def _revealed(run: StoredRun, data: str) -> dict[str, Prompt]:
    """The prompts of a run, made from the data again. Raises UsageError if the data are not those of the run."""
    key, benchmark = run.key, find(run.key.benchmark)
    questions = plan(benchmark, open_source(data), key.config, key.system)
    if questions.key.revision != key.revision:
        raise UsageError(f"run {run.run} was made of other rows than {data} holds; name the data it was run on")
    return {item.name: item.prompt for item in questions.items}


def sample_json(prompt: Prompt, outcome: Outcome) -> dict[str, Json]:
    """The documented object of one item."""
    if isinstance(prompt, ChoicePrompt):
        shown: list[dict[str, str]] = [{"context": c, "continuation": k} for c, k in prompt.pairs]
    else:
        shown = [{"context": prompt.context}]
    row: dict[str, Json] = {"item": outcome.item, "subset": outcome.subset}
    if not isinstance(outcome, Scored):
        texts = [answer.text for answer in outcome.answers if isinstance(answer, Completion)]
        kept = {"text": texts[0]} if texts else {}
        return {**row, "status": outcome.kind, "prompt": shown, "reason": outcome.reason, **kept}
    if outcome.completions:
        answers: dict[str, Json] = {"text": outcome.completions[0].text, "thinking_tokens": outcome.thinking_tokens}
        if len(outcome.completions) > 1:
            answers["texts"] = [completion.text for completion in outcome.completions]
        if outcome.judge:
            answers["judge"] = list(outcome.judge)
    else:
        answers = {"logprob": [a.logprob for a in outcome.choices], "greedy": [a.greedy for a in outcome.choices]}
    return {
        **row,
        "status": outcome.status,
        "prompt": shown,
        **answers,
        "extracted": outcome.extracted,
        "target": outcome.target,
        "scores": {**outcome.scores, **{metric: list(values) for metric, values in outcome.pooled.items()}},
        "seconds": outcome.seconds,
        "tokens": outcome.tokens,
    }


def marks(prompt: ChoicePrompt, outcome: Scored) -> list[tuple[bool, bool]]:
    """Of each choice, whether it was picked, as the metric that extracts counts it, and whether it is right."""
    extracted, targets = (outcome.extracted or "").strip(), [t.strip() for t in outcome.target.split(" | ")]
    same = len(set(prompt.contexts)) == 1
    # where the contexts differ, the choice stands at their end (WinoGrande)
    texts = [(k if same else c).strip() for c, k in zip(prompt.contexts, prompt.continuations, strict=True)]

    def names(text: str, answer: str) -> bool:
        return text == answer if same else text.endswith(answer)

    picked = [bool(extracted) and names(text, extracted) for text in texts]
    if sum(picked) != 1:
        likeliest = max(answer.logprob for answer in outcome.choices)
        picked = [answer.logprob == likeliest for answer in outcome.choices]
    right = [any(target and names(text, target) for target in targets) for text in texts]
    return list(zip(picked, right, strict=True))


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between two runs: fields of their keys, items one has and the other lacks, changed items."""

    a: StoredRun
    b: StoredRun
    fields: dict[str, tuple[Json, Json]]
    only_a: int
    only_b: int
    same: int
    changed: list[tuple[str, float, float]]
    prompt: tuple[str, str, str] | None


def diff(a: str, b: str) -> Difference:
    """Compare two runs item by item on the first one's headline metric."""
    with Runs(settings.database()) as store:
        first, second = store.find(a), store.find(b)
        if first.key.benchmark != second.key.benchmark:
            raise UsageError(
                f"run {first.run} is of {first.key.benchmark}, run {second.run} of {second.key.benchmark}; "
                "only runs of one benchmark can be compared"
            )
        left, right = asdict(first.key.system), asdict(second.key.system)
        fields = first.key.differences(second.key)
        fields |= {f"system.{name}": (left[name], right[name]) for name in left if left[name] != right[name]}
        of_a = {outcome.item: (prompt, outcome) for prompt, outcome in store.outcomes(first.run)}
        of_b = {outcome.item: (prompt, outcome) for prompt, outcome in store.outcomes(second.run)}
    metric = first.report.headline if first.report else ""
    both = [item for item in of_a if item in of_b]
    changed, prompt = [], None
    for item in both:
        (prompt_a, outcome_a), (prompt_b, outcome_b) = of_a[item], of_b[item]
        if prompt is None and prompt_a != prompt_b:
            prompt = (item, _text(prompt_a), _text(prompt_b))
        if isinstance(outcome_a, Scored) and isinstance(outcome_b, Scored) and metric in outcome_a.scores:
            before, after = outcome_a.scores[metric], outcome_b.scores.get(metric, 0.0)
            if before != after:
                changed.append((item, before, after))
    same = len(both) - len(changed)
    return Difference(first, second, fields, len(of_a) - len(both), len(of_b) - len(both), same, changed, prompt)


def _text(prompt: Prompt) -> str:
    return "\n".join(c + k for c, k in prompt.pairs) if isinstance(prompt, ChoicePrompt) else prompt.context
