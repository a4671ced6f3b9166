"""The verb `eval --dry-run`: what an evaluation would do, take and cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import settings
from ..benchmarks.benchmark import Benchmark
from ..benchmarks.twin import SUFFIX
from ..errors import UsageError
from ..evaluation.config import EvalConfig
from ..evaluation.plan import Plan
from ..evaluation.run import check
from ..models.local import embedded
from ..models.name import Name, parse
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..models.system import Capabilities, Model
from ..store.runs import Runs
from ..values import Identity
from .cost import about
from .evaluate import choose, make_plan, not_run, suited, to_ask
from .own_data import understood
from .system import load
from .task_system import system_of, task_names

NOT_CONVERTED = "smollm2 is not converted yet, which its first run does: tokens are estimated, and what was measured is not looked up"

SAMPLED = 1000  # items whose tokens are counted
_SAMPLED = "{}: tokens are estimated from {:,} of {:,} items, spread over all"


class _Unconverted(Model):
    """The embedded model before its checkpoint is there: what it is able to do, and estimates of its tokens."""

    capabilities = Capabilities(True, True, True, 8192)

    def __init__(self, name: Name):
        self.name = name

    @property
    def identity(self) -> Identity:
        return Identity(self.name.text, "")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The work and price of a run: items to do, tokens of their prompts and answers (about), seconds, US dollars at most
    (None: unknown). `how` the system will answer; `problem` is why it cannot be asked; `notes` say what was understood.
    `counted` items were looked at for the tokens of all."""

    plan: Plan
    items: int
    tokens: int
    seconds: float | None
    measured: bool
    cost: float | None = 0.0
    how: str = ""
    problem: str | None = None
    notes: tuple[str, ...] = ()
    counted: int = 0


def estimate(systems: Sequence[str], names: Sequence[str], config: EvalConfig) -> Iterator[Estimate]:
    """Estimate what `evaluate_all` would do, before any weights are loaded."""
    source, benchmarks = choose(names, config)
    with Runs(settings.database()) as store:
        for name in task_names(systems, config) if config.task else dict.fromkeys(systems):
            with system_of(name, config, source) if config.task else _opened(name) as model:
                model.ledger = SpendingLedger(None, stated_price(config.price))
                for benchmark in suited(model, benchmarks, names):
                    questions = make_plan(model, benchmark, source, config)
                    new = config.fresh or isinstance(model, _Unconverted)
                    known = {} if new else store.known(questions.key.run)
                    todo = to_ask(questions.items, known, retry_failed=True)
                    expected, speed = about(model, questions, todo, SAMPLED), _speed(store, questions)
                    seconds = expected.tokens / speed if speed else None
                    cost = None if expected.cost is None else float(expected.cost)
                    how, problem = _how(benchmark, config), _problem(model, benchmark, questions)
                    notes = tuple(understood(source, benchmark, questions))
                    notes += (NOT_CONVERTED,) if isinstance(model, _Unconverted) else ()
                    if expected.counted < len(todo):
                        notes += (_SAMPLED.format(benchmark.name, expected.counted, len(todo)),)
                    yield Estimate(
                        questions,
                        len(todo),
                        expected.tokens,
                        seconds,
                        speed is not None,
                        cost,
                        how,
                        problem,
                        notes,
                        expected.counted,
                    )


def _opened(text: str) -> Model:
    """The model, without the minutes that converting the embedded one takes."""
    name = parse(text)
    converted = (embedded.folder() / "config.json").is_file()
    if name.provider != "smollm2" or converted or {"tools", "system"} & set(name.options):
        return load(text)
    embedded.installed()
    return _Unconverted(name)


def _how(benchmark: Benchmark, config: EvalConfig) -> str:
    """The kind of answer that the system has to give."""
    if benchmark.kind == "code":
        return f"programs, {'isolated' if config.sandbox else 'not isolated'}"
    if benchmark.kind == "task":
        return "its task"
    if benchmark.kind in ("choice", "tokens"):
        return "log-probabilities of choices"
    return "a letter in a reply" if benchmark.name.endswith(SUFFIX) else "text"


def _problem(model: Model, benchmark: Benchmark, questions: Plan) -> str | None:
    if reason := not_run(benchmark):
        return reason
    try:
        check(questions, benchmark, model)
    except UsageError as error:
        return str(error)
    return None


def _speed(store: Runs, questions: Plan) -> float | None:
    """Tokens per second of an earlier run of the same weights and dtype, the same benchmark if there is one."""
    same = [
        run.report
        for run in store.all()
        if run.report
        and questions.key.system.weights
        and run.key.system.weights == questions.key.system.weights
        and run.key.system.dtype == questions.key.system.dtype
        and run.report.usage.tokens_per_second
    ]
    same.sort(key=lambda report: report.key.benchmark != questions.key.benchmark)
    return same[0].usage.tokens_per_second if same else None
