"""Which tasks a checkpoint was made for, by the architecture that its configuration names."""

import re
from dataclasses import dataclass

from ..errors import ModelError
from ..models.local.checkpoint import Checkpoint
from .catalogue import HubTask


@dataclass(frozen=True, slots=True)
class Kind:
    """Architectures whose whole names match `pattern`, such as `example`, do `tasks`."""

    example: str
    pattern: str
    tasks: tuple[str, ...]


_SOUND = r"(Wav2Vec2\w*|Hubert|WavLM|UniSpeech(Sat)?|SEWD?|Data2VecAudio|Whisper|ASTF?)"
_SEES = (
    r"(Llava\w*|Idefics\d?|SmolVLM|Blip\w*|InstructBlip\w*|PaliGemma|Qwen\w*VL\w*|Mllama|Florence\d?|Kosmos\d?\w*"
    r"|InternVL|\w*Vision\w*)"
)
_WRITES = (
    r"(T5|MT5|UMT5|LongT5|Bart|MBart\w*|Pegasus\w*|M2M100|Blenderbot\w*|LED|ProphetNet|SwitchTransformers|NllbMoe|FSMT"
    r"|BigBirdPegasus)"
)
_READS = (
    r"(\w*Bert|\w*Roberta|\w*BERT|MPNet|Electra|DebertaV?2?|Nomic\w*|GTE|New|XLNet|T5Encoder|Funnel|Ernie|Longformer"
    r"|BigBird)"
)
JUDGE_THEMSELVES = ("looking",)  # homes of tasks that tell by more than the architecture
_VECTORS = ("embeddings", "similarity")

# The first that matches counts. An architecture that matches none may be made for anything.
KINDS = (
    Kind("Wav2Vec2ForSequenceClassification", rf"{_SOUND}For(Sequence|Audio)Classification", ("audio-classification",)),
    Kind("Wav2Vec2ForCTC", r"\w+For(CTC|RNNT|TDT)", ("speech-to-text",)),
    Kind(
        "WhisperForConditionalGeneration",
        r"(Whisper|Speech2Text|Moonshine)ForConditionalGeneration|SpeechEncoderDecoderModel|SpeechT5ForSpeechToText",
        ("speech-to-text",),
    ),
    Kind("SpeechT5ForTextToSpeech", r"\w+ForTextToSpeech|VitsModel|BarkModel|Musicgen\w*", ("text-to-speech",)),
    Kind("ViTForImageClassification", r"\w+ForImageClassification\w*", ("image-classification",)),
    Kind(
        "Idefics3ForConditionalGeneration",
        rf"{_SEES}For(ConditionalGeneration|ImageTextToText|Vision2Seq|QuestionAnswering)|VisionEncoderDecoderModel",
        ("image-captioning", "visual-question-answering"),
    ),
    Kind("LayoutLMForQuestionAnswering", r"(Vilt|LayoutLM\w*|Lxmert|Tapas)ForQuestionAnswering", ()),
    Kind("Wav2Vec2ForPreTraining", rf"({_SOUND}|ViT\w*)ForPreTraining", ()),
    Kind(
        "BartForConditionalGeneration",
        rf"{_WRITES}ForConditionalGeneration|MarianMTModel|EncoderDecoderModel",
        ("summarization", "translation"),
    ),
    Kind(
        "DistilBertForSequenceClassification",
        r"\w+ForSequenceClassification",
        ("sentiment", "classification", "zero-shot"),
    ),
    Kind("BertForTokenClassification", r"\w+ForTokenClassification", ("entities",)),
    Kind("RobertaForQuestionAnswering", r"\w+ForQuestionAnswering(Simple)?", ("question-answering",)),
    Kind("BertForMaskedLM", r"\w+(ForMaskedLM|ForPreTraining)", ("fill-mask", *_VECTORS)),
    Kind("LlamaForCausalLM", r"\w+(ForCausalLM|LMHeadModel)", ("text-generation",)),
    Kind("BertModel", rf"{_READS}Model", _VECTORS),
)


def check_made_for(task: HubTask, checkpoint: Checkpoint) -> None:
    """Raise ModelError where the checkpoint was made for other tasks; it says for which. Reads its configuration alone."""
    architecture = architecture_of(checkpoint)
    kind = next((kind for kind in KINDS if re.fullmatch(kind.pattern, architecture)), None)
    if kind is None or task.home in JUDGE_THEMSELVES:
        return
    pooled = (checkpoint.folder / "modules.json").is_file()  # sentence-transformers make vectors with any network
    able = tuple(dict.fromkeys((*kind.tasks, *_VECTORS))) if pooled else kind.tasks
    if task.name in able:
        return
    expected = " or ".join(kind.example for kind in KINDS if task.name in kind.tasks) or "one made for it"
    does = f"it does {', '.join(able)}" if able else "it does none of the tasks that are known here"
    if kind.tasks == ("text-generation",) and "prompt" in task.ways:
        does += f"; as a language model it can be asked for {task.name} in words, the way `prompt`"
    raise ModelError(
        f"{checkpoint.folder} is a {architecture}, which was not made for {task.name}; "
        f"expected a checkpoint such as {expected}; {does}"
    )


def architecture_of(checkpoint: Checkpoint) -> str:
    """The first architecture that the configuration names; empty where it names none."""
    listed = checkpoint.config.get("architectures")
    return str(listed[0]) if isinstance(listed, list) and listed else ""
