"""Audio classification: what is heard in a recording. A long one is judged window by window."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from math import ceil
from time import perf_counter

import numpy as np
import torch
import transformers
from transformers import AutoFeatureExtractor, PreTrainedModel

from ..errors import DataError, ModelError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import load_auto
from ..models.local.checkpoint import Checkpoint, first_line
from ..models.name import Name
from ..models.task_model import Answered, LabelScore, TaskInput, TaskOptions, TaskOutput
from ..values import Failure
from .catalogue import HubTask
from .output import names_of
from .recognizers import LEAST_SAMPLES, WINDOW_SECONDS
from .sound import CUT_SHORT, Recording, Samples, open_media
from .special import SpecialModel
from .voice_activity import FRAME_SECONDS


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "Hearer":
    return Hearer(task, name, checkpoint, options)


class Hearer(SpecialModel):
    """A TaskModel over recordings, one after the other."""

    @lazy
    def _extractor(self) -> transformers.SequenceFeatureExtractor:
        try:
            extractor: transformers.SequenceFeatureExtractor = AutoFeatureExtractor.from_pretrained(
                str(self.checkpoint.folder)
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{self.name.text} cannot be used for audio-classification: {first_line(error)}"
            ) from error
        return extractor

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return load_auto(
                "AutoModelForAudioClassification", self.checkpoint, self.name.options, spare="masked_spec_embed"
            )

    @property
    def window(self) -> float:
        """Seconds that are judged at once: as many as the extractor of features takes in, without cutting any off."""
        stated: float | None = getattr(self._extractor, "chunk_length", None)
        frames: int | None = getattr(self._extractor, "max_length", None)
        if frames and hasattr(self._extractor, "num_mel_bins"):
            return frames / 100  # of 10 ms
        return stated or WINDOW_SECONDS

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result) in input order; the labels of a recording, the likeliest first. One that cannot be read is a
        Failure."""
        for index, one in enumerate(inputs):
            if one.media is None:
                yield index, Failure("infra", f"input {index} holds no recording; expected WAV, FLAC, OGG or MP3")
                continue
            try:
                with open_media(one.media) as recording:
                    yield index, self._heard(recording)
            except (DataError, OSError) as error:
                named = f" ({one.media.name})" if one.media.name else ""
                yield index, Failure("infra", f"input {index}{named}: {error}")

    def _heard(self, recording: Recording) -> TaskOutput | Failure:
        """The mean of the probabilities in windows of equal length, together the whole recording."""
        started = perf_counter()
        sound, rate = recording.loudness(FRAME_SECONDS), self._extractor.sampling_rate
        samples = round(sound.seconds * rate)
        if not samples:
            raise DataError("the recording is empty: it holds no samples")
        windows = ceil(sound.seconds / self.window)
        borders = [samples * number // windows for number in range(windows + 1)]
        total = torch.zeros(self._network.config.num_labels or 0)
        for start, stop in pairwise(borders):
            total += self._chances(recording.read(start, stop, rate)) * (stop - start) / samples
        if not bool(total.isfinite().all()):
            return Failure("infra", f"what {self.name.text} computes are not finite numbers (NaN)")
        names = names_of(self._network.config.id2label, len(total))
        scores = tuple(sorted(map(LabelScore, names, total.tolist()), key=lambda one: -one.score))
        return TaskOutput(
            scores[0].label,
            scores,
            truncated=recording.cut_short,
            flags=(CUT_SHORT,) if recording.cut_short else (),
            seconds=perf_counter() - started,
        )

    @torch.inference_mode()
    def _chances(self, samples: Samples) -> torch.Tensor:
        filled = np.pad(samples, (0, max(0, LEAST_SAMPLES - len(samples))))
        extract: Callable[..., transformers.BatchFeature] = self._extractor  # type: ignore[assignment]  # its subclasses are called
        features = extract(filled, sampling_rate=self._extractor.sampling_rate, return_tensors="pt")
        features = features.to(self._network.device, dtype=self._network.dtype)
        logits: torch.Tensor = self._network(**features).logits[0].float().cpu()
        if self._network.config.problem_type == "multi_label_classification":
            return logits.sigmoid()
        return logits.softmax(-1)

    def close(self) -> None:
        """Let go of the weights."""
        super().close()
        self.__dict__.pop("_extractor", None)
