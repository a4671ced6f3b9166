"""Networks that write down speech: Whisper, other encoder-decoders, CTC. Arrays in, segments of text out.

They know nothing of files, of silence or of long recordings: what they are given fits their window.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import transformers
from transformers import AutoFeatureExtractor, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import ModelError
from ..models.local.auto import Auto, load_auto
from ..models.local.checkpoint import Checkpoint, first_line
from ..models.name import Name
from ..models.task_model import Segment
from .sound import Samples

WINDOW_SECONDS = 30.0  # of models that state none
LEAST_SAMPLES = 1600  # shorter sounds are filled up with silence: no layer of a network comes out empty
BEAMS = 5  # as OpenAI's own program, and transformers' pipeline, where the checkpoint says nothing
MOST_TOKENS = 256
PAUSE_SECONDS = 0.6  # between two words of a CTC network, where a segment ends
LONGEST_SEGMENT = 12.0
AFTER_END = "after the end"


@dataclass(frozen=True)
class Recognizer:
    """A loaded network with its `rate` in samples a second and its `window` in seconds.

    `batches`: parts of unlike length may be computed together.
    """

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    extractor: transformers.SequenceFeatureExtractor
    window: float = WINDOW_SECONDS
    draws: bool = True  # may be asked again at another temperature
    batches: bool = True

    @property
    def rate(self) -> int:
        rate: int = self.extractor.sampling_rate
        return rate

    def recognize(
        self, parts: Sequence[Samples], language: str = "", target: str = "", temperature: float = 0.0
    ) -> list[list[Segment]]:
        """The segments of each part, in seconds from its beginning; their texts bring their own spaces. At a temperature above 0 tokens are drawn, by
        torch's own generator."""
        raise NotImplementedError

    def detect_language(self, part: Samples) -> str:
        """The language spoken, where the network tells languages apart; else an empty text."""
        return ""

    def features(self, parts: Sequence[Samples]) -> transformers.BatchFeature:
        filled = [np.pad(part, (0, max(0, LEAST_SAMPLES - len(part)))) for part in parts]
        extract: Callable[..., transformers.BatchFeature] = self.extractor  # type: ignore[assignment]  # its subclasses are called
        features = extract(
            filled, sampling_rate=self.rate, return_tensors="pt", return_attention_mask=True, padding=self.padding
        )
        return features.to(self.network.device, dtype=self.network.dtype)

    @property
    def padding(self) -> str:
        return "longest"

    def seconds(self, part: Samples) -> float:
        return len(part) / self.rate


@dataclass(frozen=True)
class GeneratingRecognizer(Recognizer):
    """An encoder-decoder without times: each part is one segment."""

    def recognize(
        self, parts: Sequence[Samples], language: str = "", target: str = "", temperature: float = 0.0
    ) -> list[list[Segment]]:
        ids = self.generate(parts, **_sampling(temperature))
        texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [[Segment(0.0, self.seconds(part), f" {text}")] for part, text in zip(parts, texts, strict=True)]

    @torch.inference_mode()
    def generate(self, parts: Sequence[Samples], **options: object) -> "torch.Tensor":
        features = self.features(parts)
        stated = self.network.generation_config.to_diff_dict()
        usual: dict[str, object] = {} if "num_beams" in stated else {"num_beams": BEAMS}
        if "max_new_tokens" not in stated and "max_length" not in stated:
            usual["max_new_tokens"] = MOST_TOKENS
        if "pad_token_id" not in stated and self.tokenizer.pad_token_id is not None:
            usual["pad_token_id"] = self.tokenizer.pad_token_id
        name = self.network.main_input_name
        generate = getattr(self.network, "generate")  # noqa: B009 - it is annotated for causal models alone
        output: torch.Tensor = generate(
            features[name], attention_mask=features.get("attention_mask"), **{**usual, **options}
        )
        return output


def _sampling(temperature: float) -> dict[str, object]:
    return {"do_sample": True, "temperature": temperature, "num_beams": 1} if temperature else {}


@dataclass(frozen=True)
class WhisperRecognizer(GeneratingRecognizer):
    """Whisper, with the times of its segments. `times`: the checkpoint says which tokens stand for them."""

    times: bool = True
    languages: dict[str, int] = field(default_factory=dict)

    @property
    def padding(self) -> str:
        return "max_length"

    def recognize(
        self, parts: Sequence[Samples], language: str = "", target: str = "", temperature: float = 0.0
    ) -> list[list[Segment]]:
        if not self.times:
            return super().recognize(parts, language, target, temperature)
        options: dict[str, object] = {"return_timestamps": True, "return_segments": True}
        if language and self.languages:
            options["language"] = language
        if target:
            options["task"] = "translate"
        if temperature:
            options["temperature"] = temperature
        spoken_by: Mapping[str, Sequence[Sequence[dict[str, torch.Tensor]]]] = self.generate(parts, **options)  # type: ignore[assignment]  # a dict, here
        return [
            self._segments(spoken, self.seconds(part))
            for spoken, part in zip(spoken_by["segments"], parts, strict=True)
        ]

    def _segments(self, spoken: Sequence[dict[str, torch.Tensor]], seconds: float) -> list[Segment]:
        """A part is filled up with silence, of which Whisper may go on to invent words: those get the flag AFTER_END."""
        segments = []
        for one in spoken:
            start, end = float(one["start"]), float(one["end"])
            text = str(self.tokenizer.decode(one["tokens"], skip_special_tokens=True))
            segments.append(Segment(start, end, text, (AFTER_END,) if start >= seconds else ()))
        return segments

    @torch.inference_mode()
    def detect_language(self, part: Samples) -> str:
        if not self.languages:
            return ""
        detect = getattr(self.network, "detect_language")  # noqa: B009 - Whisper's own
        number = int(detect(input_features=self.features([part])["input_features"])[0])
        return next(token for token, id in self.languages.items() if id == number)


@dataclass(frozen=True)
class CtcRecognizer(Recognizer):
    """A network that names one symbol for each 20 ms or so; its segments end where it hears a pause between words."""

    @torch.inference_mode()
    def recognize(
        self, parts: Sequence[Samples], language: str = "", target: str = "", temperature: float = 0.0
    ) -> list[list[Segment]]:
        features = self.features(parts)
        name = self.network.main_input_name
        output = self.network(**{name: features[name], "attention_mask": features.get("attention_mask")})
        logits: torch.Tensor = output.logits
        longest = max(len(part) for part in parts)
        rows = logits.argmax(-1).cpu()
        result = []
        for row, part in zip(rows, parts, strict=True):
            frames = max(1, round(logits.shape[1] * max(len(part), LEAST_SAMPLES) / max(longest, LEAST_SAMPLES)))
            result.append(self._segments(row[:frames], self.seconds(part)))
        return result

    def _segments(self, row: torch.Tensor, seconds: float) -> list[Segment]:
        whole = str(self.tokenizer.decode(row.tolist(), skip_special_tokens=False))
        if not isinstance(self.tokenizer, transformers.Wav2Vec2CTCTokenizer):
            return [Segment(0.0, seconds, f" {whole}")]
        decoded = self.tokenizer.decode(row.tolist(), skip_special_tokens=False, output_word_offsets=True)
        words: Sequence[Mapping[str, float]] = getattr(decoded, "word_offsets")  # noqa: B009 - it is no plain text
        step = seconds / len(row)
        segments: list[Segment] = []
        for word in words:
            start, end = float(word["start_offset"]) * step, float(word["end_offset"]) * step
            text = f" {word['word']}"
            last = segments[-1] if segments else None
            if last and start - last.end < PAUSE_SECONDS and end - last.start < LONGEST_SEGMENT:
                segments[-1] = Segment(last.start, end, last.text + text)
            else:
                segments.append(Segment(start, end, text))
        if "".join(segment.text for segment in segments).strip() != whole.strip():
            return [Segment(0.0, seconds, f" {whole}")]
        return segments


def load_recognizer(name: Name, checkpoint: Checkpoint) -> Recognizer:
    """The network that a checkpoint holds, ready to compute. Raises ModelError where it is no recognizer."""
    auto = _auto(name, checkpoint)
    try:
        extractor = AutoFeatureExtractor.from_pretrained(str(checkpoint.folder))
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint.folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name.text} cannot be used for automatic-speech-recognition: {first_line(error)}") from error
    network = load_auto(auto, checkpoint, name.options, spare="masked_spec_embed")
    if auto == "AutoModelForCTC":
        return CtcRecognizer(network, tokenizer, extractor, draws=False, batches=extractor.return_attention_mask)
    if network.config.model_type != "whisper":
        return GeneratingRecognizer(network, tokenizer, extractor)
    stated = network.generation_config
    return WhisperRecognizer(
        network,
        tokenizer,
        extractor,
        window=float(extractor.chunk_length),
        times=hasattr(stated, "no_timestamps_token_id"),
        languages=getattr(stated, "lang_to_id", None) or {},
    )


def _auto(name: Name, checkpoint: Checkpoint) -> Auto:
    """Which of transformers' classes loads it, by its configuration alone."""
    kind = str(checkpoint.config.get("model_type", ""))
    stated = checkpoint.config.get("architectures")
    architectures = [str(one) for one in stated] if isinstance(stated, list) else []
    if any(one.endswith("ForCTC") for one in architectures):
        return "AutoModelForCTC"
    mapping = transformers.models.auto.modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
    if kind in mapping and (not architectures or mapping[kind] in architectures):
        return "AutoModelForSpeechSeq2Seq"
    raise ModelError(
        f"{name.text} cannot be used for automatic-speech-recognition: it is {', '.join(architectures) or kind}; "
        "expected Whisper, another encoder-decoder for speech, or a network ending in ForCTC"
    )
