"""Pictures from words, by a diffusers pipeline: Stable Diffusion, FLUX, Z-Image and whatever else makes pictures of text.

A picture is made by `steps` steps from noise that the seed draws: equal seeds make equal pictures. No part of the pipeline
is fetched, and none judges what was drawn.
"""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import torch

from ..engine import single_thread
from ..errors import MissingExtra, ModelError, UsageError
from ..lazy import lazy, load_library
from ..models.loading import loading, progress
from ..models.local.checkpoint import Checkpoint, first_line
from ..models.name import Name
from ..models.task_model import Answered, TaskInput, TaskOptions, TaskOutput
from ..values import Failure, Media
from .catalogue import HubTask
from .special import SpecialModel

if TYPE_CHECKING:
    from PIL import Image

Tensors: TypeAlias = dict[str, object]
Progressed: TypeAlias = "Callable[[DiffusionPipeline, int, object, Tensors], Tensors]"
SIDE = 8  # of a picture's width and height, which are multiples of it
LARGEST = 2048
MOST_STEPS = 1000
PROBLEMS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError)


class _Drawn(Protocol):
    images: "list[Image.Image]"


class DiffusionPipeline(Protocol):
    """The parts used of diffusers' pipelines."""

    _interrupt: bool

    def set_progress_bar_config(self, *, disable: bool) -> None: ...

    def to(self, device: str, /) -> "DiffusionPipeline": ...

    def __call__(
        self,
        *,
        prompt: str,
        width: int,
        height: int,
        num_inference_steps: int,
        generator: torch.Generator,
        callback_on_step_end: Progressed,
    ) -> _Drawn: ...


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "DrawingModel":
    """Raises UsageError for a size or a number of steps that cannot be."""
    for side, pixels in (("width", options.width), ("height", options.height)):
        if pixels % SIDE or not SIDE <= pixels <= LARGEST:
            raise UsageError(f"{side} is {pixels}; expected a multiple of {SIDE} from {SIDE} to {LARGEST}")
    if not 1 <= options.steps <= MOST_STEPS:
        raise UsageError(
            f"steps is {options.steps}; expected 1 to {MOST_STEPS}, such as 20, or 4 for a model made for few"
        )
    return DrawingModel(task, name, checkpoint, options)


class DrawingModel(SpecialModel):
    """A TaskModel that draws. `close`, from whatever thread, ends a picture that is being made within a step."""

    def __init__(self, task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions):
        super().__init__(task, name, checkpoint, options)
        self._closed = threading.Event()

    @lazy
    def _pipeline(self) -> DiffusionPipeline:
        """Raises MissingExtra, ModelError."""
        try:
            load_library("diffusers")
            import diffusers
        except ImportError as error:
            raise MissingExtra("diffusers", "text-to-image", "image") from error
        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        single_thread()
        device = self.name.options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
        usual = "bfloat16" if device.startswith("cuda") else "float32"
        judge = (
            {"safety_checker": None, "requires_safety_checker": False}
            if "safety_checker" in self.checkpoint.config
            else {}
        )
        try:
            with loading("loading", self.name.text):
                pipeline: DiffusionPipeline = diffusers.AutoPipelineForText2Image.from_pretrained(  # type: ignore[no-untyped-call]  # as diffusers has it
                    str(self.checkpoint.folder),
                    dtype=getattr(torch, self.name.options.get("dtype", usual)),
                    local_files_only=True,
                    use_safetensors=None if "pickle" in self.checkpoint.allow else True,
                    **judge,
                )
                pipeline.set_progress_bar_config(disable=True)
                return pipeline.to(device)
        except PROBLEMS as error:
            raise ModelError(f"cannot load {self.checkpoint.folder}: {first_line(error)}") from error

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result) in input order. A text that is empty, or that the pipeline refuses, is a Failure."""
        for index, row in enumerate(inputs):
            yield index, self._answer(index, row.text)
            if self._closed.is_set():
                return

    def _answer(self, index: int, text: str) -> TaskOutput | Failure:
        if not text.strip():
            return Failure("infra", f"input {index} is empty; expected words that say what to draw")
        started, pipeline = perf_counter(), self._pipeline
        try:
            drawn = self._draw(pipeline, text)
        except (RuntimeError, ValueError, TypeError) as error:
            return Failure("infra", f"{self.name.text} cannot draw input {index}: {first_line(error)}")
        if self._closed.is_set():
            return Failure("infra", f"input {index} was given up before it was drawn")
        return self._output(drawn, perf_counter() - started)

    @torch.inference_mode()
    def _draw(self, pipeline: DiffusionPipeline, text: str) -> "Image.Image":
        steps = self.options.steps

        def stepped(pipe: DiffusionPipeline, step: int, time: object, tensors: Tensors) -> Tensors:
            pipe._interrupt = self._closed.is_set()
            progress("drawing", self.name.text, step + 1, steps)
            return tensors

        with loading("drawing", self.name.text):
            drawn = pipeline(
                prompt=text,
                width=self.options.width,
                height=self.options.height,
                num_inference_steps=steps,
                generator=torch.Generator("cpu").manual_seed(self.options.seed),
                callback_on_step_end=stepped,
            )
        return drawn.images[0]

    def _output(self, drawn: "Image.Image", seconds: float) -> TaskOutput:
        """`one color`: numbers that are not finite come out as one, and are no picture."""
        out = io.BytesIO()
        drawn.save(out, "PNG")
        extremes = cast("Sequence[tuple[int, int]]", drawn.convert("RGB").getextrema())
        blank = all(low == high for low, high in extremes)
        media = Media("image/png", out.getvalue(), name="drawn.png")
        return TaskOutput(
            f"{drawn.width} × {drawn.height} pixels",
            media=media,
            flags=("one color",) if blank else (),
            seconds=seconds,
        )

    def close(self) -> None:
        """Give up what is being drawn, and let go of the weights."""
        self._closed.set()
        self.__dict__.pop("_pipeline", None)
