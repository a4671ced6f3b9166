"""How an evaluation is run: one value, built once by the command line, Python or a page, and passed whole.

A new setting is a field of `EvalConfig` and nothing else: its metadata says whether it identifies a run and how the
command line takes it. `EvalSettings` repeats names and types for those who call `llms.evaluate`; a test keeps the two alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal, TypedDict, Unpack

from ..benchmarks.benchmark import Draw
from ..values import Json

Window = Literal["cut", "strict"]
Form = Literal["plain", "flag", "off flag", "on or off", "text or file", "template", "escaped", "commas"]


@dataclass(frozen=True, slots=True)
class Setting:
    """How a field of `EvalConfig` is treated by the rest of the program.

    `identifies`: another value may change an answer, so it begins another run. `own_data`: only a file of the user's own
    takes it. `option` is its name on the command line, `form` how the text there becomes the value, `choices` and bounds
    what is accepted (`above` is exclusive).
    """

    help: str
    option: str
    identifies: bool = False
    own_data: bool = False
    form: Form = "plain"
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    above: float | None = None
    shows_default: bool = False
    metavar: str | None = None


class SettingParts(TypedDict, total=False):
    """The further parts of a `Setting`, as keywords."""

    help: str
    identifies: bool
    own_data: bool
    form: Form
    choices: tuple[str, ...]
    least: float
    most: float
    above: float
    shows_default: bool
    metavar: str


SETTING = "setting"  # the key of a field's metadata


def setting(text: str, option: str, **more: Unpack[SettingParts]) -> dict[str, Setting]:
    """The metadata of a field of `EvalConfig`."""
    return {SETTING: replace(Setting(text, option), **more)}


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """How to evaluate. None leaves a choice to the view, the settings, the machine or the system.

    `chat_template` None: off, but for systems that are reached through chat only. `budget` in US dollars is for all
    systems and benchmarks together, a judge included, as is `price`, per million tokens sent and answered: 0.15/0.60. Of one's own file: `prompt` is a template with `{column}` fields,
    `stop` and `max_tokens` end an answer, `by` names the metadata columns by whose values scores are grouped. With a `task`
    the file holds its labelled rows, and systems do it in each `way`; `source` and `target` are languages.
    """

    view: str = field(
        default="default",
        metadata=setting("A named way to run: default, v1 or v2.", "--view", identifies=True, shows_default=True),
    )
    limit: int | None = field(
        default=None, metadata=setting("So many items of each benchmark, spread over its subsets.", "--limit", least=1)
    )
    shots: int | None = field(
        default=None, metadata=setting("Few-shot examples, instead of the view's.", "--shots", identifies=True, least=0)
    )
    draw: Draw | None = field(
        default=None,
        metadata=setting(
            "The same examples for all items, or drawn as the reference harness does.",
            "--shot-draw",
            identifies=True,
            choices=("fixed", "harness"),
        ),
    )
    data: str | None = field(
        default=None,
        metadata=setting(
            "sample (default), hub, fresh[:SEED], a folder of benchmarks, or a file of your own: .csv, .tsv, .json, .jsonl.",
            "--data",
        ),
    )
    chat_template: bool | None = field(
        default=None,
        metadata=setting(
            "Ask under the model's chat template (default: off, but for systems that are reached through chat only).",
            "--chat-template",
            identifies=True,
            form="on or off",
        ),
    )
    window: Window = field(
        default="cut",
        metadata=setting(
            "Cut prompts that are too long on the left, or refuse them.",
            "--window",
            identifies=True,
            choices=("cut", "strict"),
            shows_default=True,
        ),
    )
    fresh: bool = field(
        default=False,
        metadata=setting("Begin anew instead of continuing; what the run had is deleted.", "--fresh", form="flag"),
    )
    retry_failed: bool = field(
        default=False, metadata=setting("Ask again what failed before.", "--retry-failed", form="flag")
    )
    workers: int | None = field(
        default=None, metadata=setting("Processes; the default is what cores and memory hold.", "--workers", least=1)
    )
    samples: int = field(
        default=1,
        metadata=setting(
            "Answers per question, at a temperature; scores are means.", "--samples", identifies=True, least=1
        ),
    )
    temperature: float = field(
        default=0.0, metadata=setting("0 is greedy.", "--temperature", identifies=True, least=0.0)
    )
    top_p: float = field(
        default=1.0,
        metadata=setting(
            "Sample from the likeliest tokens of this mass.", "--top-p", identifies=True, above=0.0, most=1.0
        ),
    )
    seed: int = field(default=0, metadata=setting("Of sampling.", "--seed", identifies=True))
    system_prompt: str = field(
        default="",
        metadata=setting(
            "A system prompt, or @FILE; needs --chat-template on.", "--system", identifies=True, form="text or file"
        ),
    )
    thinking: int = field(
        default=0,
        metadata=setting(
            "Tokens that a reasoning model may think before its answer.", "--thinking", identifies=True, least=0
        ),
    )
    sandbox: bool = field(
        default=True,
        metadata=setting(
            "Run generated programs without isolation. They can read and delete your files.",
            "--no-sandbox",
            identifies=True,
            form="off flag",
        ),
    )
    scorer: str = field(
        default="exact",
        metadata=setting(
            "How open answers of your own file are graded.",
            "--scorer",
            own_data=True,
            choices=("exact", "contains", "regex", "numeric", "judge"),
            shows_default=True,
        ),
    )
    judge: str = field(default="", metadata=setting("The model that judges, with --scorer judge.", "--judge"))
    rubric: str = field(
        default="", metadata=setting("What the judge asks for, or @FILE.", "--rubric", form="text or file")
    )
    prompt: str | None = field(
        default=None,
        metadata=setting(
            "How rows of your own file are asked: a template with {column} fields and \\n, or @FILE as it stands.",
            "--prompt",
            own_data=True,
            form="template",
        ),
    )
    stop: Sequence[str] | None = field(
        default=None,
        metadata=setting(
            "Where an answer to your own file ends; '' for nowhere. May be given again.",
            "--stop",
            own_data=True,
            form="escaped",
        ),
    )
    max_tokens: int | None = field(
        default=None,
        metadata=setting("Tokens of an answer to your own file at most.", "--max-tokens", own_data=True, least=1),
    )
    by: Sequence[str] = field(
        default=(),
        metadata=setting("Group scores of your own file by a column of it.", "--by", own_data=True, metavar="COLUMN"),
    )
    budget: float | None = field(
        default=None, metadata=setting("US dollars that requests may cost in all; a hard cap.", "--budget", above=0.0)
    )
    price: str | None = field(
        default=None,
        metadata=setting(
            "US dollars per million tokens sent and answered, where no price is known.", "--price", metavar="IN/OUT"
        ),
    )
    task: str = field(
        default="",
        metadata=setting(
            "Measure this task on labelled rows of your own (--data FILE): sentiment, entities, translation …; llms task lists them.",
            "--task",
            identifies=True,
        ),
    )
    way: Sequence[str] = field(
        default=(),
        metadata=setting(
            "How a language model does a task: prompt, choice, or both (the default); a special model is itself.",
            "--way",
            form="commas",
        ),
    )
    labels: Sequence[str] = field(
        default=(),
        metadata=setting("Labels of a task, comma-separated, instead of those in the file.", "--labels", form="commas"),
    )
    source: str = field(
        default="", metadata=setting("Language that a task's input is in, as en.", "--from", metavar="LANG")
    )
    target: str = field(
        default="", metadata=setting("Language that a task's answer shall be in, as de.", "--to", metavar="LANG")
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", None if self.stop is None else tuple(self.stop))
        for name in ("by", "way", "labels"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))


class EvalSettings(TypedDict, total=False):
    """The settings of an evaluation as keywords, for `llms.evaluate`."""

    view: str
    limit: int | None
    shots: int | None
    draw: Draw | None
    data: str | None
    chat_template: bool | None
    window: Window
    fresh: bool
    retry_failed: bool
    workers: int | None
    samples: int
    temperature: float
    top_p: float
    seed: int
    system_prompt: str
    thinking: int
    sandbox: bool
    scorer: str
    judge: str
    rubric: str
    prompt: str | None
    stop: Sequence[str] | None
    max_tokens: int | None
    by: Sequence[str]
    budget: float | None
    price: str | None
    task: str
    way: Sequence[str]
    labels: Sequence[str]
    source: str
    target: str


def settings_of(config: type[EvalConfig] | EvalConfig) -> Mapping[str, Setting]:
    """Every setting by its field's name, in their order."""
    return {each.name: each.metadata[SETTING] for each in fields(config)}


def changed(config: EvalConfig) -> dict[str, Json]:
    """The settings that differ from the default, by name."""
    return {e.name: getattr(config, e.name) for e in fields(config) if getattr(config, e.name) != e.default}


def identifying(config: EvalConfig) -> dict[str, Json]:
    """The settings that identify a run, by name, where they differ from the default."""
    known = settings_of(config)
    return {name: value for name, value in changed(config).items() if known[name].identifies}
