"""A checkpoint's processor by transformers: text with placeholders and pictures in, token ids and what the model sees out.

Needs neither torchvision nor what else a processor wants for videos: one whose class does not load here is put together of its
tokenizer and its image processor, without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from ...errors import MissingExtra, ModelError
from ...lazy import lazy, load_library
from .checkpoint import Checkpoint, first_line

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import ProcessorMixin

    from ...engine.request import Seen

    Processing: TypeAlias = Callable[..., Mapping[str, torch.Tensor]]

# classes whose pictures are read by another one, since they cannot be made without a package for videos
STILL = {"SmolVLMProcessor": "Idefics3Processor"}
PROBLEMS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, IndexError)


class SeenText(NamedTuple):
    """Token ids with the placeholders of pictures, and the pictures by the names of the model's arguments."""

    ids: tuple[int, ...]
    seen: Seen


class _Made(Protocol):
    """The class of a processor."""

    @staticmethod
    def get_attributes() -> list[str]: ...

    @staticmethod
    def get_processor_dict(folder: str, /) -> tuple[Mapping[str, object], Mapping[str, object]]: ...

    @staticmethod
    def from_args_and_dict(parts: Sequence[object], settings: Mapping[str, object], /) -> ProcessorMixin: ...


class PictureProcessor:
    """transformers' processor of a checkpoint folder; loaded when it is first used."""

    def __init__(self, checkpoint: Checkpoint):
        self._checkpoint = checkpoint

    @lazy
    def _processor(self) -> ProcessorMixin:
        """Raises ModelError that says what is missing, MissingExtra."""
        try:
            load_library("transformers")
            import transformers
        except ImportError as error:
            raise MissingExtra("transformers", "a local model", "local") from error
        transformers.utils.logging.set_verbosity_error()
        folder, allowed = str(self._checkpoint.folder), "remote-code" in self._checkpoint.allow
        try:
            try:
                whole: ProcessorMixin = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=allowed)
                return whole
            except ImportError:
                return self._without_videos()
        except PROBLEMS as error:
            raise ModelError(
                f"cannot load the processor of {folder}, so that it is sent no pictures: {first_line(error)}"
            ) from error

    def _without_videos(self) -> ProcessorMixin:
        import transformers
        from transformers.models.auto import processing_auto

        folder, kind = str(self._checkpoint.folder), str(self._checkpoint.config.get("model_type"))
        names: Mapping[str, str] = getattr(processing_auto, "PROCESSOR_MAPPING_NAMES")  # noqa: B009 - it is not exported
        name = names.get(kind, "")
        base: type[ProcessorMixin] = getattr(transformers, STILL.get(name, name))

        def check(self: ProcessorMixin, name: str, part: object) -> object:
            return None if part is None else base.check_argument_for_proper_class(self, name, part)

        still: _Made = type(base.__name__, (base,), {"check_argument_for_proper_class": check})  # type: ignore[assignment]  # it is a processor's class
        load: dict[str, Callable[[], object]] = {
            "tokenizer": lambda: transformers.AutoTokenizer.from_pretrained(folder),
            "image_processor": lambda: transformers.AutoImageProcessor.from_pretrained(folder, backend="pil"),
        }
        parts = [load[part]() if part in load else None for part in base.get_attributes()]
        settings, _ = still.get_processor_dict(folder)
        return still.from_args_and_dict(parts, settings)

    @property
    def placeholder(self) -> str:
        """The text that stands for a picture."""
        return str(getattr(self._processor, "image_token", "<image>"))

    def read(self, text: str, pictures: Sequence[Image.Image], special: bool) -> SeenText:
        """`text` with one placeholder a picture as token ids, placeholders expanded; `special`: with the tokenizer's BOS.
        Raises ModelError."""
        processing: Processing = self._processor
        try:
            read = dict(processing(text=[text], images=[*pictures], add_special_tokens=special, return_tensors="pt"))
        except PROBLEMS as error:
            raise ModelError(
                f"the pictures cannot be read for {self._checkpoint.folder.name}: {first_line(error)}"
            ) from error
        ids = tuple(read.pop("input_ids")[0].tolist())
        read.pop("attention_mask", None)
        return SeenText(ids, {name: value.numpy() for name, value in read.items()})
