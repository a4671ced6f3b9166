"""How to evaluate: one value for the command line, Python and the pages."""

from dataclasses import dataclass
from typing import Literal

from ..benchmarks.benchmark import Draw


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate. None leaves a choice to the view, the settings, the machine or the system.

    `chat_template` None: off, but for systems that are reached through chat only. `budget` in US dollars is for all
    systems and benchmarks together, a judge included. Of one's own file: `prompt` is a template with `{column}` fields,
    `stop` and `max_tokens` end an answer, `by` names the metadata columns by whose values scores are grouped.
    """

    view: str = "default"
    limit: int | None = None
    shots: int | None = None
    draw: Draw | None = None
    data: str | None = None
    chat_template: bool | None = None
    window: Literal["cut", "strict"] = "cut"
    fresh: bool = False
    retry_failed: bool = False
    workers: int | None = None
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    system_prompt: str = ""
    thinking: int = 0
    sandbox: bool = True
    scorer: str = "exact"
    judge: str = ""
    rubric: str = ""
    budget: float | None = None
    prompt: str | None = None
    stop: tuple[str, ...] | None = None
    max_tokens: int | None = None
    by: tuple[str, ...] = ()
