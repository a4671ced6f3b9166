"""A Hugging Face checkpoint in a folder or on the hub: found, checked, described. Loads no weights; `build` does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError, UnsafeCheckpoint
from ...lazy import lazy
from ...values import Json, JsonObject
from ..digest import digest_files
from ..hub import hub

PICKLED = (".bin", ".pt", ".pth", ".ckpt")
POSITIONS_BEHIND_PADDING = (
    "camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip
CROSSED = ("mllama",)  # sees by layers of its own beside the text's, which is not done here
SANE_LENGTH = 10_000_000  # tokenizers without a limit say 1e30


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder. `allow` names the dangers that the user accepted: pickle, remote-code, another-base."""

    folder: Path
    allow: frozenset[str] = frozenset()

    @lazy
    def config(self) -> JsonObject:
        return read_json(self.folder / "config.json")

    @property
    def text_config(self) -> JsonObject:
        return as_object(self.config.get("text_config")) or self.config

    @lazy
    def tokenizer_config(self) -> JsonObject:
        path = self.folder / "tokenizer_config.json"
        return read_json(path) if path.is_file() else {}

    @property
    def dtype(self) -> str:
        """In which the weights are stored, as its files state it."""
        return str(self.text_config.get("dtype") or self.text_config.get("torch_dtype") or "float32")

    @property
    def vocabulary(self) -> int:
        return whole_number(self.text_config.get("vocab_size"), 0)

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
        """`stated_window`; 2,048 where nothing is stated."""
        return self.stated_window or 2048

    @property
    def encoder_window(self) -> int:
        """Tokens that an encoder reads at once: RoBERTa and its kin count positions from behind the one of padding."""
        window, config = self.context_window, self.text_config
        if config.get("model_type") not in POSITIONS_BEHIND_PADDING:
            return window
        positions = whole_number(config.get("max_position_embeddings"), window)
        return min(window, positions - (whole_number(config.get("pad_token_id"), 1)) - 1)

    @property
    def stated_window(self) -> int | None:
        """Tokens the model was made for; RoPE scaling that is not yet in the configured length is multiplied in."""
        config = self.text_config
        names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
        window = next((length for name in names if (length := whole_number(config.get(name), 0))), 0)
        rope = as_object(config.get("rope_parameters")) or as_object(config.get("rope_scaling"))
        kind = rope.get("rope_type", rope.get("type", "default"))
        stretched = kind in ("linear", "dynamic", "yarn") and config.get("model_type") != "gemma3_text"  # is stated so
        if window and stretched:
            base = whole_number(rope.get("original_max_position_embeddings"), window) or window
            factor = rope.get("factor", 1)
            window = max(window, int(base * factor) if isinstance(factor, int | float) else window)
        stated = self.tokenizer_config.get("model_max_length")
        if isinstance(stated, int | float) and stated < SANE_LENGTH:
            window = min(window, int(stated)) if window else int(stated)
        return window or None

    @property
    def ends(self) -> frozenset[int]:
        """The ids at which an answer ends, as the files state them; empty where they leave it to a class."""
        path = self.folder / "generation_config.json"
        stated = read_json(path).get("eos_token_id") if path.is_file() else None
        return end_ids(self.text_config.get("eos_token_id") if stated is None else stated)

    @lazy
    def special_tokens(self) -> dict[str, str]:
        """bos_token and the like, as chat templates call them."""
        names = ("bos_token", "eos_token", "pad_token", "unk_token")
        tokens = {name: self.tokenizer_config.get(name) for name in names}
        texts = {name: token.get("content") if isinstance(token, Mapping) else token for name, token in tokens.items()}
        return {name: text for name, text in texts.items() if isinstance(text, str) and text}

    @lazy
    def chat_template(self) -> str | None:
        path = self.folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text(encoding="utf-8")
        stated = self.tokenizer_config.get("chat_template")
        for name in ("chat_template.json", "processor_config.json"):  # where processors had theirs
            if stated is None and (self.folder / name).is_file():
                stated = read_json(self.folder / name).get("chat_template")
        if isinstance(stated, list):  # several, by name
            templates = [as_object(template) for template in stated]
            stated = next((one.get("template") for one in templates if one.get("name") == "default"), None)
        return stated if isinstance(stated, str) else None

    @property
    def sees(self) -> bool:
        """Whether it takes pictures in messages: its configuration has a part that sees, a processor and a template."""
        files = ("processor_config.json", "preprocessor_config.json")
        ready = any((self.folder / name).is_file() for name in files) and self.chat_template is not None
        return (
            ready and bool(as_object(self.config.get("vision_config"))) and self.config.get("model_type") not in CROSSED
        )

    def check(self) -> "Checkpoint":
        """Raise ModelError or UnsafeCheckpoint if this cannot, or must not, be loaded."""
        if not self.weight_files:
            raise ModelError(
                f"{self.folder} holds no weights; expected *.safetensors beside config.json. Where their author published "
                "pickled ones alone, and you trust the author, add the option allow=pickle"
            )
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
            missing = sorted(set(indexed_files(index)) - set(self.weight_files))
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
        if (folder / "model_index.json").is_file():
            raise ModelError(
                f"the folder {model} holds a pipeline that makes pictures (model_index.json), not one model"
            )
        raise ModelError(f"the checkpoint folder {model} {what}; expected config.json and *.safetensors")
    return Checkpoint(folder.resolve(), allow)


def is_folder(model: str) -> bool:
    return Path(model).expanduser().is_dir() or model.startswith((".", "/", "~"))


def indexed_files(index: Path) -> list[str]:
    """The weight files that a `model.safetensors.index.json` lists."""
    return sorted({str(name) for name in as_object(read_json(index).get("weight_map")).values()})


def read_json(path: Path) -> JsonObject:
    """The JSON object in a file. Raises ModelError."""
    try:
        content: Json = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    if not isinstance(content, Mapping):
        raise ModelError(f"cannot read {path}: it is not a JSON object")
    return content


def as_object(value: Json) -> JsonObject:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def whole_number(value: Json, default: int) -> int:
    """`value` as an int if it is a number, else `default`."""
    return int(value) if isinstance(value, int | float) else default


def end_ids(stated: Json) -> frozenset[int]:
    """End-of-sequence ids, of which configurations state one, several or none."""
    ids = stated if isinstance(stated, list) else [stated]
    return frozenset(id for id in ids if isinstance(id, int))


def first_line(error: Exception) -> str:
    """The first line of a library's error; its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
