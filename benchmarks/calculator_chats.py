"""The calculator adapter's chats: written for training; the answers to its plain questions; and its files, once it is trained.

    python benchmarks/calculator_chats.py write build/calculator/chats.jsonl
    python benchmarks/calculator_chats.py ship build/calculator/run       into the package
    python benchmarks/calculator_chats.py plain                           asks the model anew what is in plain.jsonl

`make calculator-adapter` does the first two with the training between them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from llms.models.adapters.calculator.chats import ChatMix, ToolOffers, chats, read_plain
from llms.models.adapters.calculator.wordings import FOLDER, pose, read_wordings
from llms.models.load import load
from llms.models.system import ToolSchema
from llms.tools.calculator import calculator
from llms.tools.catalogue import toolset
from llms.tools.toolset import definitions
from llms.values import Message
from llms.workbench.system import PROMPT

MODEL = "smollm2"
LONGEST, LONGEST_SUM = 400, 110  # tokens of an answer; a longer one is not trained
ALONE = 90  # problems asked without tools


def schemas(names: Sequence[str]) -> tuple[ToolSchema, ...]:
    """The tools as a model reads them."""
    return tuple(
        ToolSchema(name=one.name, description=one.description or "", parameters=one.parameters_json_schema)
        for one in definitions(toolset(names))
    )


def offers() -> ToolOffers:
    return ToolOffers(schemas(["calculator"])[0], schemas(["clock", "python"]), PROMPT)


def write(path: Path, seed: int = 0) -> int:
    """Write the chats; their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = chats(read_wordings("wordings"), read_plain(), offers(), calculator.function, ChatMix(), seed)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def ask_plain() -> None:
    """Write plain.jsonl anew: the same questions, and some problems without tools, with the answers that end by themselves."""
    prompts = [one.prompt for one in read_plain() if not one.sum]
    draw, wordings = Random("sums without tools"), read_wordings("wordings")
    sums = [pose(one, Random(f"alone {one.id}"), calculator.function).text for one in draw.sample(wordings, ALONE)]
    lines = []
    with load(MODEL) as model:
        for texts, most in ((prompts, LONGEST), (sums, LONGEST_SUM)):
            answers = model.generate([[Message("user", text)] for text in texts], max_tokens=most)
            lines += [
                json.dumps({"prompt": text, "answer": one.text, "sum": most == LONGEST_SUM}, ensure_ascii=False)
                for text, one in zip(texts, answers, strict=True)
                if one.finish == "stop" and one.text.strip()
            ]
    (FOLDER / "plain.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ship(run: Path) -> None:
    """The adapter of a run into the package: weights in bfloat16, the configuration without paths, the log."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(run / "adapter_model.safetensors").items()}
    save_file(weights, FOLDER / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((run / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = MODEL
    (FOLDER / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    log = (run / "log.jsonl").read_text(encoding="utf-8")
    (FOLDER / "log.jsonl").write_text(log.replace(json.dumps(str(run.resolve())), '"."'), encoding="utf-8")
    print(f"{(FOLDER / 'adapter_model.safetensors').stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=["write", "ship", "plain"])
    parser.add_argument("path", nargs="?", type=Path)
    chosen = parser.parse_args()
    if chosen.do == "plain":
        ask_plain()
    elif chosen.path is None:
        parser.error(f"{chosen.do} needs a path")
    elif chosen.do == "ship":
        ship(chosen.path)
    else:
        print(f"{write(chosen.path):,} chats")


if __name__ == "__main__":
    main()
