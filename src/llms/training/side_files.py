"""The files of a checkpoint beside its weights: tokenizer and chat template, which training never changes.

trl saves the tokenizer with a template made for training. A model that was trained, and an adapter of it, is used with the
template that it was trained on the text of: the base model's own, byte for byte.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..models.local.adapter import CONFIG
from ..models.local.checkpoint import Checkpoint, read_json

TOKENIZER = (
    "tokenizer*", "vocab.*", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model",
    "chat_template*", "additional_chat_templates/*",
)  # fmt: skip
OTHERS = ("generation_config.json", "*processor_config.json", "*.py")


def side_files(folder: Path, patterns: tuple[str, ...] = (*TOKENIZER, *OTHERS)) -> Iterator[Path]:
    """The files in `folder` of those kinds, relative to it, in order."""
    names = {path.relative_to(folder) for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    yield from sorted(names)


def strip_side_files(folder: Path) -> list[str]:
    """Remove tokenizer and template from an adapter's folder, which is used with those of its model; the names removed."""
    names = list(side_files(folder, TOKENIZER))
    for name in names:
        (folder / name).unlink()
    return [str(name) for name in names]


def name_base(folder: Path, base: str) -> None:
    """Let an adapter's configuration name its base model as `base`, not by a path of this machine, and list its layers in order:
    PEFT writes a set, so that two equal runs would differ."""
    path = folder / CONFIG
    stored = dict(read_json(path))
    stored["base_model_name_or_path"] = base
    for field in ("target_modules", "exclude_modules", "modules_to_save"):
        names = stored.get(field)
        if isinstance(names, list):
            stored[field] = sorted(map(str, names))
    path.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def restore_side_files(folder: Path, base: Checkpoint) -> list[str]:
    """Make tokenizer, template and the like of a checkpoint in `folder` byte-equal to those of `base`; the names changed."""
    wanted = list(side_files(base.folder))
    changed = [name for name in side_files(folder) if name not in wanted]
    for name in changed:
        (folder / name).unlink()
    for name in wanted:
        source, target = base.folder / name, folder / name
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            changed.append(name)
    return [str(name) for name in sorted(changed)]
