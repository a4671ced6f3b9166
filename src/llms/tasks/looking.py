"""Pictures in words: a caption, or the answer to a question.

A checkpoint that chats about pictures is asked by its own template, in the words of the tasks' prompts; one that was made
to caption (BLIP, GIT, an image encoder before a text decoder) writes what it was trained to write.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import UsageError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import load_auto
from ..models.local.checkpoint import Checkpoint
from ..models.local.seeing import SeeingModel
from ..models.name import Name
from ..models.task_model import Answered, TaskInput, TaskModel, TaskOptions, TaskOutput
from ..values import Failure, Identity
from .asked import open_prompted
from .catalogue import HubTask
from .forms import CUT_SHORT
from .seeing import PictureModel

if TYPE_CHECKING:
    from PIL import Image

CAPTIONERS = ("blip", "git", "vision-encoder-decoder")
CAPTION_TOKENS = 40  # of a caption by one of these, where no other number is asked for


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> TaskModel:
    """Raises UsageError where the checkpoint answers no questions, or sees nothing."""
    if checkpoint.sees:
        return SeeingAnswerer(open_prompted(task, SeeingModel(name, checkpoint), options))
    kind, usual = str(checkpoint.config.get("model_type")), task.default.name if task.default else ""
    if kind not in CAPTIONERS:
        raise UsageError(f"{name.text} ({kind}) does not see; name a model that chats about pictures, such as {usual}")
    if task.name != "image-captioning":
        raise UsageError(f"{name.text} ({kind}) answers no questions; name a model that chats, such as {usual}")
    return Captioner(task, name, checkpoint, options)


class SeeingAnswerer:
    """A TaskModel over a checkpoint that chats about pictures: the special model of its task."""

    def __init__(self, asked: TaskModel):
        self._asked = asked

    @property
    def task(self) -> str:
        return self._asked.task

    @lazy
    def identity(self) -> Identity:
        identity = self._asked.identity
        return replace(identity, extra={**identity.extra, "way": "special"})

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion; pictures are computed one by one."""
        return self._asked.answer(inputs)

    def close(self) -> None:
        self._asked.close()


class _Captioning(Protocol):
    def generate(self, **inputs: object) -> torch.Tensor: ...


class Captioner(PictureModel):
    """A TaskModel over a checkpoint made to caption."""

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return load_auto("AutoModelForImageTextToText", self.checkpoint, self.name.options)

    @lazy
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        allowed = "remote-code" in self.checkpoint.allow
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(self.checkpoint.folder), trust_remote_code=allowed
        )
        return tokenizer

    @torch.inference_mode()
    def outputs(self, pictures: "Sequence[Image.Image]") -> list[TaskOutput | Failure]:
        """A caption each, greedy unless a temperature is asked for; one that has no end yet is flagged."""
        most, sampled = self.options.max_tokens or CAPTION_TOKENS, self.options.temperature > 0
        sampling = {"temperature": self.options.temperature, "top_p": self.options.top_p} if sampled else {}
        network = cast("_Captioning", self._network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            rows = network.generate(
                **self.pixels(pictures), max_new_tokens=most, do_sample=sampled, num_beams=1, **sampling
            )
        return [self._caption(row, most) for row in rows.tolist()]

    def _caption(self, row: Sequence[int], most: int) -> TaskOutput:
        special = set(self._tokenizer.all_special_ids)
        words = [token for token in row if token not in special]
        flags = (CUT_SHORT,) if row[-1] not in special and len(row) >= most else ()
        return TaskOutput(str(self._tokenizer.decode(words)).strip(), flags=flags, generated=len(words))
