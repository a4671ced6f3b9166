"""The tasks: what each takes and gives, how it may be done, which special model does it unless another is named.

Nothing heavy is imported here: a list of tasks, and the help of a command, must cost nothing. Sizes are of the files that
are fetched; languages are those of the training data, as the model's card says. A default has its weights as safetensors and
may be used commercially: speech, translation and pictures have none, for the small models there are pickled or many.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import UnknownName, UsageError
from ..models.task_model import TaskOptions, Way
from .languages import LANGUAGES, language_code

Takes = Literal["text", "pair", "sound", "image"]
Gives = Literal["label", "spans", "answer", "text", "words", "vector", "number", "transcript", "sound", "image"]


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """A special model on the hub at one commit, and what must be known before it is fetched."""

    repo: str
    revision: str
    megabytes: int
    licence: str
    languages: str

    @property
    def name(self) -> str:
        """As a model is named everywhere."""
        return f"hf:{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class HubTask:
    """`hub` is the task's name at Hugging Face; `home` the module here with `open_model`. `needs` are options without which
    it means nothing. `columns` are those of labelled rows, `metrics` what is computed of them, the leading one first."""

    name: str
    hub: str
    title: str
    home: str
    takes: Takes
    gives: Gives
    ways: tuple[Way, ...]
    default: DefaultModel | None
    needs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    advice: str = ""  # on a model to name, where there is no default

    @property
    def wanted(self) -> str:
        """Its input in words, with the article."""
        return {"pair": "a text", "image": "an image"}.get(self.takes, f"a {self.takes}")


TEXT: tuple[Way, ...] = ("special", "prompt", "choice")
SPOKEN: tuple[Way, ...] = ("special",)

TASKS: Mapping[str, HubTask] = {
    task.name: task
    for task in (
        HubTask(
            "sentiment", "text-classification", "How a text feels about its subject", "classification", "text", "label",
            TEXT, DefaultModel("distilbert/distilbert-base-uncased-finetuned-sst-2-english", "714eb0fa89d2f80546fda750413ed43d93601a13", 268, "Apache-2.0", "English"),
            columns=("text", "label"), metrics=("accuracy", "macro_f1"), aliases=("sentiment-analysis",),
        ),
        HubTask(
            "classification", "text-classification", "Labels that a classifier was trained for", "classification", "text", "label",
            TEXT, None, columns=("text", "label"), metrics=("accuracy", "macro_f1"), aliases=("text-classification",),
        ),
        HubTask(
            "zero-shot", "zero-shot-classification", "Labels that you name now", "zero_shot", "text", "label",
            TEXT, DefaultModel("MoritzLaurer/ModernBERT-base-zeroshot-v2.0", "d421c4545a438fd006fb43f8b981c5d908faa1e1", 303, "Apache-2.0", "English"),
            needs=("labels",), columns=("text", "label"), metrics=("accuracy", "macro_f1"), aliases=("zero-shot-classification",),
        ),
        HubTask(
            "entities", "token-classification", "Names of people, places, organizations, where they stand", "entities", "text", "spans",
            ("special", "prompt"), DefaultModel("dslim/bert-base-NER", "d1a3e8f13f8c3566299d95fcfc9a8d2382a9affc", 433, "MIT", "English"),
            columns=("text", "entities"), metrics=("entity_f1", "entity_precision", "entity_recall"),
            aliases=("ner", "token-classification"),
        ),
        HubTask(
            "question-answering", "question-answering", "The answer to a question, as it stands in a text", "extraction", "text", "answer",
            ("special", "prompt"), DefaultModel("deepset/roberta-base-squad2", "adc3b06f79f797d1c575d5479d6f5efe54a9e3b4", 496, "CC-BY-4.0", "English"),
            needs=("question",), columns=("context", "question", "answer"), metrics=("exact_match", "f1"), aliases=("qa",),
        ),
        HubTask(
            "summarization", "summarization", "The same in fewer words", "summarization", "text", "text",
            ("special", "prompt"), DefaultModel("facebook/bart-large-cnn", "37f520fa929c961707657b28798b30c003dd100b", 1628, "MIT", "English"),
            columns=("text", "summary"), metrics=("rouge_l", "rouge_1", "rouge_2", "chrf"), aliases=("summarisation", "summarize"),
        ),
        HubTask(
            "translation", "translation", "The same in another language", "translation", "text", "text",
            ("special", "prompt"), None, needs=("target",), columns=("source", "target"), metrics=("chrf", "bleu"),
            aliases=("translate",),
            advice="such as 'hf:Helsinki-NLP/opus-mt-en-de?allow=pickle' (its weights are pickled)",
        ),
        HubTask(
            "text-generation", "text-generation", "How a text goes on", "generation", "text", "text", ("prompt",), None,
            aliases=("generate",),
        ),
        HubTask(
            "fill-mask", "fill-mask", "Words that may stand where [MASK] stands", "fill_mask", "text", "words",
            ("special",), DefaultModel("distilbert/distilroberta-base", "fb53ab8802853c8e4fbdbcd0529f21fc6f459b2b", 331, "Apache-2.0", "English"),
            columns=("text", "label"), metrics=("accuracy",),
        ),
        HubTask(
            "embeddings", "feature-extraction", "A text as a vector; near ones mean like things", "embeddings", "text", "vector",
            ("special",), DefaultModel("sentence-transformers/all-MiniLM-L6-v2", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf", 91, "Apache-2.0", "English"),
            columns=("query", "relevant"), metrics=("ndcg@10", "recall@1", "recall@10"), aliases=("feature-extraction", "embed"),
        ),
        HubTask(
            "similarity", "sentence-similarity", "How alike two texts are in meaning", "embeddings", "pair", "number",
            ("special", "prompt"), DefaultModel("sentence-transformers/all-MiniLM-L6-v2", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf", 91, "Apache-2.0", "English"),
            aliases=("sentence-similarity",),
        ),
        HubTask(
            "speech-to-text", "automatic-speech-recognition", "What is said in a recording", "transcription", "sound", "transcript",
            SPOKEN, DefaultModel("openai/whisper-base", "e37978b90ca9030d5170a5c07aadb050351a65bb", 290, "Apache-2.0", "99 languages"),
            columns=("audio", "text"), metrics=("wer", "cer"), aliases=("automatic-speech-recognition", "asr", "transcribe"),
        ),
        HubTask(
            "text-to-speech", "text-to-speech", "A text, read aloud", "speaking", "text", "sound",
            SPOKEN, None, aliases=("text-to-audio", "tts", "speak"),
            advice="such as 'hf:microsoft/speecht5_tts?allow=pickle' (585 MB, MIT, English; its weights are pickled)",
        ),
        HubTask(
            "audio-classification", "audio-classification", "What is heard in a recording", "hearing", "sound", "label",
            SPOKEN, DefaultModel("MIT/ast-finetuned-audioset-10-10-0.4593", "f826b80d28226b62986cc218e5cec390b1096902", 346, "BSD-3-Clause", "527 kinds of sounds"),
            columns=("audio", "label"), metrics=("accuracy", "macro_f1"),
        ),
        HubTask(
            "image-classification", "image-classification", "What a picture shows, as a label", "seeing", "image", "label",
            ("special", "prompt"), DefaultModel("google/vit-base-patch16-224", "3f49326eb077187dfe1c2a2bb15fbd74e6ab91e3", 346, "Apache-2.0", "English labels"),
            columns=("image", "label"), metrics=("accuracy", "macro_f1"),
        ),
        HubTask(
            "image-captioning", "image-text-to-text", "What a picture shows, in words", "looking", "image", "text",
            ("special", "prompt"), DefaultModel("HuggingFaceTB/SmolVLM-256M-Instruct", "7e3e67edbbed1bf9888184d9df282b700a323964", 513, "Apache-2.0", "English"),
            aliases=("image-to-text", "caption"), columns=("image", "text"), metrics=("rouge_l", "chrf"),
        ),
        HubTask(
            "visual-question-answering", "image-text-to-text", "The answer to a question about a picture", "looking", "image", "text",
            ("special", "prompt"), DefaultModel("HuggingFaceTB/SmolVLM-256M-Instruct", "7e3e67edbbed1bf9888184d9df282b700a323964", 513, "Apache-2.0", "English"),
            needs=("question",), aliases=("vqa", "image-text-to-text"), columns=("image", "question", "answer"),
            metrics=("exact_match", "f1"),
        ),
        HubTask(
            "text-to-image", "text-to-image", "A picture of what a text says", "drawing", "text", "image",
            ("special",), None, aliases=("image-generation", "draw"),
            advice="such as hf:black-forest-labs/FLUX.2-klein-4B with 4 steps, or hf:Tongyi-MAI/Z-Image-Turbo with 8; 9 to 13 GB "
            "are fetched, the licence of both is Apache-2.0",
        ),
    )
}  # fmt: skip


def find_task(name: str) -> HubTask:
    """The task of this name, ours or Hugging Face's. Raises UnknownName with the nearest."""
    for task in TASKS.values():
        if name == task.name or name in task.aliases:
            return task
    raise UnknownName("task", name, [*TASKS, *(alias for task in TASKS.values() for alias in task.aliases)])


def default_of(task: HubTask, options: TaskOptions) -> DefaultModel | None:
    """The special model that does `task` unless another is named; of a translation that of its pair of languages, as far as
    the name says: a pair that nobody trained is known once the hub is asked. Raises UsageError without a source."""
    if task.name != "translation":
        return task.default
    if not options.source:
        raise UsageError("translation without a model needs the language of the texts; name it with --from, such as en")
    source, target = language_code(options.source), language_code(options.target)
    if source == target:
        raise UsageError(f"the texts are in {LANGUAGES[source]} already; translate them to another language")
    languages = f"{LANGUAGES[source]} to {LANGUAGES[target]}"
    return DefaultModel(f"Helsinki-NLP/opus-mt-{source}-{target}", "main", 300, "Apache-2.0 or CC-BY-4.0", languages)
