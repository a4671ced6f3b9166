"""The worth of a model that was trained from nothing: bits per byte of text that it never saw, beside means without a network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import DataError
from ..models.load import load
from ..training.progress import Ended, Stepped, Validated, lasting, read
from ..training.recipe import FILE, TrainingRecipe
from ..training.text_reference import TextReferences, beginning
from ..training.token_file import HELD_OUT
from ..values import JsonObject
from .perplexity import measure
from .pretrain import PretrainConfig, is_done, prepare, train

PROMPT = 60  # characters of the held-out text that the sample goes on from
SAMPLE_TOKENS = 80
TEMPERATURE = 0.7


@dataclass(frozen=True)
class PretrainReport:
    """A finished run. `name` is the model's, for every verb; `bits_per_byte` is of `bytes` held-out ones."""

    name: str
    parameters: int
    tokens: int
    seconds: float
    tokens_per_second: float
    flops_utilization: float | None
    memory_bytes: int
    loss: float  # nats per token, held out
    bits_per_byte: float
    bytes: int
    references: TextReferences
    prompt: str
    sample: str

    @property
    def holds(self) -> bool:
        """Whether the model predicts better than the byte before does."""
        return self.bits_per_byte < self.references.bigram

    def to_json(self) -> JsonObject:
        return {"event": "report", **asdict(self)}


def report(folder: Path) -> PretrainReport:
    """Measure the model in `folder` by the verb `perplexity`, and let it go on from the beginning of its held-out text."""
    recipe, events = TrainingRecipe.read(folder), lasting(read(folder))
    steps = [event for event in events if isinstance(event, Stepped)]
    losses = [event.loss for event in events if isinstance(event, Validated)]
    if not any(isinstance(event, Ended) for event in events) or not steps or recipe.shape is None:
        raise DataError(f"the run in {folder} has not come to its end; go on with: llms pretrain --resume {folder}")
    text = beginning((folder / HELD_OUT).read_bytes())
    name = f"hf:{folder}"
    with TemporaryDirectory(prefix="llms-pretrain-") as scratch:
        path = Path(scratch) / "held-out.txt"
        path.write_bytes(text)
        measured = measure(name, path)
    prompt = _prompt(text.decode())
    with load(name) as model:
        half = recipe.window // 2  # for the prompt, and for what follows it
        while len(prompt) > 1 and model.count_tokens(prompt) > half:
            prompt = prompt[: len(prompt) // 2]
        sample = model.generate([prompt], max_tokens=min(SAMPLE_TOKENS, half), temperature=TEMPERATURE)[0].text
    utilization = sorted(step.flops_utilization for step in steps if step.flops_utilization is not None)
    return PretrainReport(
        name=name,
        parameters=recipe.shape.parameters,
        tokens=sum(step.tokens for step in steps),
        seconds=sum(step.seconds for step in steps),
        tokens_per_second=tokens_per_second(steps),
        flops_utilization=utilization[len(utilization) // 2] if utilization else None,
        memory_bytes=max(step.memory_bytes for step in steps),
        loss=losses[-1] if losses else steps[-1].loss,
        bits_per_byte=measured.bits_per_byte,
        bytes=measured.bytes,
        references=TextReferences.read(folder),
        prompt=prompt,
        sample=sample,
    )


def pretrain(config: PretrainConfig, processes: int = 1) -> PretrainReport:
    """Train a model from nothing as `config` says; its report. A run that was begun in the folder goes on, by the recipe there.

    Raises UsageError, DataError; LlmsError where the run stopped by an error, whose checkpoints stay.
    """
    if not (config.out / FILE).is_file():
        prepare(config)
    if not is_done(config.out):
        for _ in train(config.out, processes):
            pass
    return report(config.out)


def tokens_per_second(steps: list[Stepped]) -> float:
    """The median over steps: what else the machine did meanwhile counts little."""
    rates = sorted(step.tokens / step.seconds for step in steps)
    return rates[len(rates) // 2]


def _prompt(text: str) -> str:
    """The beginning of the first long line, up to a blank."""
    line = next((line.strip() for line in text.splitlines() if len(line.strip()) > PROMPT), text.strip())
    return line[:PROMPT].rpartition(" ")[0] or line[:PROMPT]
