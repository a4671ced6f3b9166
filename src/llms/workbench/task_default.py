"""The special model of a task where none is named: from the cache, or fetched once its size and licence were agreed to.

Nothing is connected to before that. Where it cannot be had, the message lists the models in the cache that do the task.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import settings
from ..errors import HubUnreachable, UsageError
from ..models.hub import hub
from ..models.task_model import TaskOptions
from ..tasks.catalogue import DefaultModel, HubTask, default_of

Agree = Callable[[str], bool]  # whether the model described by a sentence may be fetched
# the ends of the architectures that do a task, by the module that loads them
ARCHITECTURES: Mapping[str, tuple[str, ...]] = {
    "classification": ("ForSequenceClassification",),
    "zero_shot": ("ForSequenceClassification",),
    "entities": ("ForTokenClassification",),
    "extraction": ("ForQuestionAnswering",),
    "fill_mask": ("ForMaskedLM",),
    "embeddings": ("BertModel", "RobertaModel", "MPNetModel"),
    "summarization": ("BartForConditionalGeneration", "T5ForConditionalGeneration", "PegasusForConditionalGeneration"),
    "translation": ("MarianMTModel", "T5ForConditionalGeneration"),
    "transcription": ("WhisperForConditionalGeneration", "ForCTC"),
    "speaking": ("VitsModel", "ForTextToSpeech"),
    "hearing": ("ForAudioClassification", "ForSequenceClassification"),
    "seeing": ("ForImageClassification",),
    "looking": ("VLForConditionalGeneration", "Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration"),
}
SOUND = (
    "wav2vec2",
    "hubert",
    "wavlm",
    "unispeech",
    "whisper",
    "data2vec-audio",
    "sew",
    "audio-spectrogram-transformer",
)
LISTED = 5  # models of the cache


def nobody_agrees(described: str) -> bool:
    return False


def default_model(task: HubTask, agree: Agree = nobody_agrees, options: TaskOptions = TaskOptions()) -> str:
    """The name of the task's own model, of a translation that of its languages, which is in the cache now. Raises UsageError,
    HubUnreachable, ModelError."""
    default = default_of(task, options)
    if default is None:
        raise UsageError(
            f"{task.name} has no special model of its own; {_others(task)}{f', {task.advice}' * bool(task.advice)}"
        )
    if not is_cached(default):
        described = describe(default)
        if settings.hub_offline():
            raise HubUnreachable(f"{described} is not in the cache, and HF_HUB_OFFLINE is set; {_others(task)}")
        if not agree(described):
            raise UsageError(f"{task.name} would fetch {described}; agree with --yes (fetch=True), or {_others(task)}")
        if not settings.hub_answers():
            raise HubUnreachable(
                f"{described} is not in the cache, and {settings.hub_endpoint()} does not answer; {_others(task)}"
            )
        hub.pull(default.repo, default.revision, hub.patterns(frozenset()))
    return default.name


def is_cached(default: DefaultModel) -> bool:
    return hub.local_snapshot(default.repo, default.revision, hub.patterns(frozenset())) is not None


def describe(default: DefaultModel) -> str:
    """A default with its size, licence and languages: all that must be known before it is fetched."""
    return (
        f"{default.repo} at {default.revision[:7]} ({default.megabytes:,} MB, licence {default.licence}, "
        f"{default.languages})"
    )


def suitable(task: HubTask) -> list[str]:
    """The names of models in the cache that were made for the task, by what their configuration says."""
    names = []
    for model in hub.cached():
        config = _config(model.path)
        heard = config.get("model_type") in SOUND
        made_for = any(_does(task, str(kind)) for kind in config.get("architectures") or ())
        if model.weights and made_for and heard == (task.takes == "sound"):
            names.append(f"hf:{model.model}")
    return names


def speaks(folder: Path) -> bool:
    """Whether the checkpoint in `folder` is a language model that continues texts."""
    return any(str(kind).endswith("ForCausalLM") for kind in _read(folder / "config.json").get("architectures") or ())


def _does(task: HubTask, architecture: str) -> bool:
    return architecture.endswith(ARCHITECTURES.get(task.home, ()))


def _others(task: HubTask) -> str:
    """How the task is done without its own model."""
    names = suitable(task)[:LISTED] if "special" in task.ways else []
    cached = f"; in the cache and made for it: {', '.join(names)}" if names else ""
    asked = "; -m smollm2 does it by prompt" if "prompt" in task.ways and task.takes in ("text", "pair") else ""
    return f"name a model with -m{cached}{asked}"


def _config(repository: Path) -> dict[str, list[str] | str]:
    return next((_read(path) for path in sorted(repository.glob("snapshots/*/config.json"))), {})


def _read(path: Path) -> dict[str, list[str] | str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
