"""Image classification: by a checkpoint that was trained for its labels, or, for labels named now, by one like CLIP.

A picture is seen as models.local.pictures opens it, and then as the checkpoint's own image processor makes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedModel

from ..errors import LlmsError, ModelError, UsageError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import load_auto
from ..models.local.checkpoint import Checkpoint, first_line
from ..models.local.pictures import open_picture
from ..models.name import Name
from ..models.task_model import Answered, LabelScore, TaskInput, TaskOptions, TaskOutput
from ..values import Failure
from .catalogue import HubTask
from .output import names_of
from .special import SpecialModel

if TYPE_CHECKING:
    from PIL import Image
    from transformers import BaseImageProcessor

TOGETHER = 8  # pictures of one forward pass
READ_AHEAD = 32  # pictures that are held as files
SHOWN = 5  # labels, where no other number is asked for
USUAL = TaskOptions().hypothesis
PHOTO = "This is a photo of {}."  # of labels, where no other sentence is given


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "PictureClassifier":
    """Raises UsageError where the checkpoint needs labels, or has its own."""
    pairs = bool(checkpoint.config.get("text_config") and checkpoint.config.get("vision_config"))
    if pairs and not options.labels:
        raise UsageError(f"{name.text} compares pictures with texts; name the labels to choose among")
    if options.labels and not pairs:
        raise UsageError(f"{name.text} has labels of its own; leave yours out, or name a model like CLIP")
    return (PictureMatcher if pairs else PictureClassifier)(task, name, checkpoint, options)


class PictureModel(SpecialModel):
    """The base of special models over pictures; a subclass has `_network`, and `outputs` for some that are computed together."""

    block = READ_AHEAD

    @lazy
    def _network(self) -> PreTrainedModel:
        raise NotImplementedError

    @lazy
    def _processor(self) -> "BaseImageProcessor":
        folder, allowed = str(self.checkpoint.folder), "remote-code" in self.checkpoint.allow
        try:
            processor: BaseImageProcessor = AutoImageProcessor.from_pretrained(
                folder, backend="pil", trust_remote_code=allowed
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(f"cannot load the image processor of {folder}: {first_line(error)}") from error
        return processor

    def answer_block(self, inputs: Sequence[TaskInput]) -> Iterator[Answered]:
        """(index, result) in input order, but for what is no picture, which fails at once."""
        for first in range(0, len(inputs), TOGETHER):
            pictures: dict[int, Image.Image] = {}
            for index in range(first, min(first + TOGETHER, len(inputs))):
                opened = opened_picture(inputs[index], self.first + index)
                if isinstance(opened, Failure):
                    yield index, opened
                else:
                    pictures[index] = opened
            if not pictures:
                continue
            started = perf_counter()
            results = self.outputs(list(pictures.values()))
            seconds = (perf_counter() - started) / len(pictures)
            for index, result in zip(pictures, results, strict=True):
                yield index, replace(result, seconds=seconds) if isinstance(result, TaskOutput) else result

    def outputs(self, pictures: "Sequence[Image.Image]") -> list[TaskOutput | Failure]:
        raise NotImplementedError

    def pixels(self, pictures: "Sequence[Image.Image]") -> dict[str, torch.Tensor]:
        """As the network takes them, on its device."""
        read = self._processor(images=[*pictures], return_tensors="pt")
        floats, device = self._network.dtype, self._network.device
        return {
            name: value.to(device, floats) if value.is_floating_point() else value.to(device)
            for name, value in read.items()
        }


class PictureClassifier(PictureModel):
    """A TaskModel over pictures, with the labels of its checkpoint."""

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return load_auto("AutoModelForImageClassification", self.checkpoint, self.name.options)

    def outputs(self, pictures: "Sequence[Image.Image]") -> list[TaskOutput | Failure]:
        """The likeliest labels of each; a Failure where logits are not finite."""
        return [self._output(scores) for scores in self._scores(pictures)]

    def _output(self, scores: Sequence[LabelScore] | None) -> TaskOutput | Failure:
        if scores is None:
            return Failure("infra", f"what {self.name.text} computes are not finite numbers (NaN)")
        best = sorted(scores, key=lambda one: -one.score)
        shown = [one for one in best if one.score >= self.options.threshold][: max(SHOWN, self.options.top)]
        return TaskOutput(shown[0].label if shown else "", tuple(shown))

    @torch.inference_mode()
    def _scores(self, pictures: "Sequence[Image.Image]") -> list[list[LabelScore] | None]:
        """A label each for every class, in any order; None where logits are not finite. Independent labels, and a single
        one, go through a sigmoid; labels that exclude each other through a softmax."""
        logits: torch.Tensor = self._network(**self.pixels(pictures)).logits.float()
        config = self._network.config
        independent = config.problem_type == "multi_label_classification" or config.num_labels == 1
        names = names_of(config.id2label, logits.shape[-1])
        return scored(logits.sigmoid() if independent else logits.softmax(-1), names)


class PictureMatcher(PictureClassifier):
    """A TaskModel over pictures, with the labels that it is given: how well a sentence with each fits the picture."""

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return load_auto("AutoModelForZeroShotImageClassification", self.checkpoint, self.name.options)

    @property
    def _apart(self) -> bool:
        """Whether each label is judged alone, as SigLIP does (Zhai et al. 2023)."""
        return "siglip" in str(self.checkpoint.config.get("model_type"))

    @lazy
    def _sentences(self) -> Mapping[str, torch.Tensor]:
        """The labels' sentences as token ids (labels, T)."""
        sentence = PHOTO if self.options.hypothesis == USUAL else self.options.hypothesis
        texts = [sentence.replace("{}", label) for label in self.options.labels]
        tokenizer = AutoTokenizer.from_pretrained(
            str(self.checkpoint.folder), trust_remote_code="remote-code" in self.checkpoint.allow
        )
        if self._apart:
            return dict(tokenizer(texts, return_tensors="pt", padding="max_length", max_length=64, truncation=True))
        return dict(tokenizer(texts, return_tensors="pt", padding=True, truncation=True))

    @torch.inference_mode()
    def _scores(self, pictures: "Sequence[Image.Image]") -> list[list[LabelScore] | None]:
        device = self._network.device
        sentences = {name: value.to(device) for name, value in self._sentences.items()}
        logits: torch.Tensor = self._network(**sentences, **self.pixels(pictures)).logits_per_image.float()
        return scored(logits.sigmoid() if self._apart else logits.softmax(-1), self.options.labels)


def opened_picture(row: TaskInput, index: int) -> "Image.Image | Failure":
    """The picture of an input, RGB; a Failure that names it where it has none, or none that can be read."""
    if row.media is None:
        return Failure("infra", f"input {index} is {row.text[:40]!r}; expected a picture")
    try:
        return open_picture(row.media, f"input {index}")
    except LlmsError as error:
        return Failure("infra", str(error))


def scored(chances: torch.Tensor, names: Sequence[str]) -> list[list[LabelScore] | None]:
    """Rows (B, labels) as labels with their probabilities; None for one that is not finite."""
    return [list(map(LabelScore, names, row.tolist())) if bool(row.isfinite().all()) else None for row in chances.cpu()]
