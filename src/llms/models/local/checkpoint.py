"""A Hugging Face checkpoint in a folder or on the hub: found, checked, described, loaded.

Nothing here loads weights but `build`, which runs where the engine runs.
"""

import json
import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import MissingExtra, ModelError, UnsafeCheckpoint
from ...lazy import lazy
from ..digest import digest_files
from ..hub import hub

PICKLED = (".bin", ".pt", ".pth", ".ckpt")
SANE_LENGTH = 10_000_000  # tokenizers without a limit say 1e30


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder. `allow` names the dangers that the user accepted: pickle, remote-code."""

    folder: Path
    allow: frozenset[str] = frozenset()

    @lazy
    def config(self) -> dict[str, Any]:
        return _json(self.folder / "config.json")

    @property
    def text_config(self) -> dict[str, Any]:
        return self.config.get("text_config") or self.config

    @lazy
    def tokenizer_config(self) -> dict[str, Any]:
        path = self.folder / "tokenizer_config.json"
        return _json(path) if path.is_file() else {}

    @lazy
    def weight_files(self) -> list[str]:
        names = sorted(file.name for file in self.folder.iterdir())
        return [n for n in names if n.endswith(".safetensors")] or [n for n in names if n.endswith(PICKLED)]

    @property
    def weights_digest(self) -> str:
        return digest_files(self.folder, [*self.weight_files, "config.json"])

    @property
    def tokenizer_digest(self) -> str:
        names = [f.name for f in self.folder.iterdir() if f.name.startswith("tokenizer") or f.name.startswith("vocab")]
        return digest_files(self.folder, [*names, *(["merges.txt"] if (self.folder / "merges.txt").is_file() else [])])

    @property
    def weight_bytes(self) -> int:
        return sum((self.folder / name).stat().st_size for name in self.weight_files)

    @property
    def context_window(self) -> int:
        """Tokens the model was made for; RoPE scaling that is not yet in the configured length is multiplied in."""
        config = self.text_config
        lengths = [
            config[key]
            for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
            if config.get(key)
        ]
        window = int(lengths[0]) if lengths else None
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        kind = rope.get("rope_type", rope.get("type", "default"))
        stretched = kind in ("linear", "dynamic", "yarn") and config.get("model_type") != "gemma3_text"  # is stated so
        if window and stretched:
            base = rope.get("original_max_position_embeddings") or window
            window = max(window, int(base * rope.get("factor", 1)))
        stated = self.tokenizer_config.get("model_max_length")
        if isinstance(stated, int | float) and stated < SANE_LENGTH:
            window = min(window, int(stated)) if window else int(stated)
        return window or 2048

    @property
    def special_tokens(self) -> dict[str, str]:
        """bos_token and the like, as chat templates call them."""
        names = ("bos_token", "eos_token", "pad_token", "unk_token")
        values = {name: self.tokenizer_config.get(name) for name in names}
        return {name: v["content"] if isinstance(v, dict) else v for name, v in values.items() if v}

    @property
    def chat_template(self) -> str | None:
        path = self.folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text(encoding="utf-8")
        stated = self.tokenizer_config.get("chat_template")
        if isinstance(stated, list):
            stated = next((t["template"] for t in stated if t.get("name") == "default"), None)
        return stated

    def check(self) -> "Checkpoint":
        """Raise ModelError or UnsafeCheckpoint if this cannot, or must not, be loaded."""
        if not self.weight_files:
            raise ModelError(f"{self.folder} holds no weights; expected *.safetensors beside config.json")
        if self.weight_files[0].endswith(PICKLED) and "pickle" not in self.allow:
            raise UnsafeCheckpoint(
                f"{self.folder / self.weight_files[0]} is pickled: loading it can run any code of its author. "
                "If you trust it, add the option allow=pickle"
            )
        if "auto_map" in self.config and "remote-code" not in self.allow:
            raise UnsafeCheckpoint(
                f"{self.folder} brings its own Python code (auto_map in config.json). "
                "If you trust its author, add the option allow=remote-code"
            )
        index = self.folder / "model.safetensors.index.json"
        if index.is_file():
            missing = sorted(set(_json(index)["weight_map"].values()) - set(self.weight_files))
            if missing:
                raise ModelError(
                    f"{self.folder} lacks {', '.join(missing)}, which {index.name} lists; fetch them again"
                )
        return self


def find(model: str, revision: str | None, allow: frozenset[str]) -> Checkpoint:
    """The checkpoint of a folder, or of a hub name: from the cache, else downloaded."""
    return (_in_folder(model, allow) or Checkpoint(hub.snapshot(model, revision, hub.patterns(allow)), allow)).check()


def find_tokenizer(model: str, revision: str | None, allow: frozenset[str]) -> Checkpoint:
    """As `find`, for one who needs no weights: they need not be there, and are not fetched."""
    return _in_folder(model, allow) or Checkpoint(hub.snapshot(model, revision, hub.TOKENIZER), allow)


def _in_folder(model: str, allow: frozenset[str]) -> Checkpoint | None:
    if not is_folder(model):
        return None
    folder = Path(model).expanduser()
    if not (folder / "config.json").is_file():
        what = "has no config.json" if folder.is_dir() else "does not exist"
        raise ModelError(f"the checkpoint folder {model} {what}; expected config.json and *.safetensors")
    return Checkpoint(folder.resolve(), allow)


def is_folder(model: str) -> bool:
    return Path(model).expanduser().is_dir() or model.startswith((".", "/", "~"))


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


@dataclass(frozen=True)
class Build:
    """How to make an engine of a checkpoint; travels to worker processes and is called there.

    `single`: for one caller at a time.
    """

    folder: str
    dtype: str
    device: str
    remote_code: bool
    pickle: bool
    quantize: str = ""
    adapter: str = ""
    single: bool = False

    def __call__(self):
        """The Engine. Raises ModelError if weights are missing or do not fit."""
        try:
            import torch
            from safetensors import SafetensorError

            from ...engine import Engine, single_thread
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "a local model", "local") from error
        if self.device == "cpu":
            single_thread()
        config = _json(Path(self.folder) / "config.json")
        if (model := self._llama(torch, SafetensorError, config)) is not None:
            engine = Engine(self._int8(model), self._stated_ends(config), self.single)
            if engine.verdict.supports_tree_attention:
                return engine
        return self._by_transformers(torch, SafetensorError)

    def _llama(self, torch: Any, unsafe: type[Exception], config: dict[str, Any]) -> Any:
        """The model without transformers, its weights mapped from the files; None where only transformers knows how."""
        files, ends = _safetensors(Path(self.folder)), self._stated_ends(config)
        other = self.device != "cpu" or self.adapter or self.quantize not in ("", "int8") or "auto_map" in config
        if other or not files or not ends or find_spec("transformers") is None:
            return None
        from safetensors import safe_open

        from ...engine.llama import CLASSES, Llama, read_sizes
        from ...engine.proof import prove_llama

        sizes = read_sizes(config)
        if sizes is None or config.get("architectures") != [CLASSES[sizes.kind]]:
            return None
        if not prove_llama(sizes, config).supports_tree_attention:
            return None
        weights: dict[str, Any] = {}
        dtype = getattr(torch, self.dtype)
        try:
            for path in files:
                with safe_open(path, framework="pt") as file:
                    weights |= {name: file.get_tensor(name).to(dtype) for name in file.keys()}  # noqa: SIM118
        except (OSError, unsafe) as error:
            raise ModelError(f"cannot load {self.folder}: {first_line(error)}") from error
        try:
            return Llama(sizes, weights)
        except (KeyError, ValueError):  # transformers knows more names, or says what is missing
            return None

    def _stated_ends(self, config: dict[str, Any]) -> frozenset[int]:
        """The end-of-sequence ids that the checkpoint's files state; empty if they leave it to a class."""
        path = Path(self.folder) / "generation_config.json"
        stated = _json(path).get("eos_token_id") if path.is_file() else None
        return _ends(config.get("eos_token_id") if stated is None else stated)

    def _int8(self, model: Any) -> Any:
        if self.quantize == "int8":
            from .int8 import to_int8

            if not to_int8(model):
                raise ModelError(f"{self.folder} has no linear layers that int8 could round; leave quantize= out")
        return model

    def _by_transformers(self, torch: Any, unsafe: type[Exception]) -> Any:
        try:
            import transformers
        except ImportError as error:
            raise MissingExtra(error.name or "transformers", "a local model", "local") from error
        from ...engine import Engine

        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        config = self._quantization(torch, transformers)
        model = self._load(torch, transformers, unsafe, None if self.adapter else config)
        if self.adapter:
            from .adapter import Adapter

            model = Adapter(Path(self.adapter)).merged(model)
        if self.adapter and config is not None:  # four bits are made of the sum
            held = {"config": model.config, "state_dict": model.state_dict(), "dtype": model.dtype}
            model = type(model).from_pretrained(None, quantization_config=config, **self._place, **held)
        self._int8(model)
        ends = model.generation_config.eos_token_id if model.generation_config else None
        ends = model.config.get_text_config().eos_token_id if ends is None else ends
        placed = getattr(model, "hf_quantizer", None) is not None
        return Engine(model if placed else model.to(self.device), _ends(ends), self.single)

    def _load(self, torch: Any, transformers: Any, unsafe: type[Exception], quantization: Any) -> Any:
        try:
            loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
                self.folder,
                dtype=getattr(torch, self.dtype),
                trust_remote_code=self.remote_code,
                use_safetensors=None if self.pickle else True,
                output_loading_info=True,
                **({"quantization_config": quantization} if quantization is not None else {}),
                **self._place,
            )
        except (OSError, ValueError, RuntimeError, KeyError, unsafe) as error:
            raise ModelError(f"cannot load {self.folder}: {first_line(error)}") from error
        model, loading = loaded
        missing = sorted(loading["missing_keys"])
        if missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise ModelError(f"{self.folder} lacks the tensors {shown}; the checkpoint is incomplete, fetch it again")
        return model

    @property
    def _place(self) -> dict[str, Any]:
        """Quantized weights are put where they will be used at once; others are moved there later."""
        quantized = self.quantize == "nf4" or "quantization_config" in _json(Path(self.folder) / "config.json")
        return {"device_map": {"": self.device}} if quantized else {}

    def _quantization(self, torch: Any, transformers: Any) -> Any:
        """bitsandbytes' 4-bit NormalFloat (Dettmers et al. 2023), computing in `dtype`; None if it is not asked for."""
        if self.quantize != "nf4":
            return None
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=getattr(torch, self.dtype)
        )


def _ends(stated: int | list[int] | None) -> frozenset[int]:
    return frozenset([] if stated is None else [stated] if isinstance(stated, int) else stated)


def _safetensors(folder: Path) -> list[Path]:
    """The files that hold the model, as transformers chooses them; empty if there are none of this kind."""
    index, whole = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if whole.is_file():
        return [whole]
    return [folder / name for name in sorted(set(_json(index)["weight_map"].values()))] if index.is_file() else []


def first_line(error: Exception) -> str:
    """What an error of a library says first; its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
