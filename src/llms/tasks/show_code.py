"""A task as a script with transformers alone: what `llms task` computes for inputs that fit the model's window, to be read,
changed and run by itself.

A script is its constants, which say model and options, then the loading and one function `answer`, then a loop.
"""

import re
from collections.abc import Mapping, Sequence

from ..errors import UsageError
from ..models.name import Name
from ..models.task_model import TaskOptions, Way
from .catalogue import HubTask
from .code_media import MEDIA
from .code_prompt import PROMPTED
from .code_text import TEXT

HEAD = '''"""{title}. With transformers alone.

    python {file} {usage}
"""

import json
import sys
'''
LOOP = """

for each in INPUTS:
    print(json.dumps({"input": each, "output": answer(each)}, ensure_ascii=False))
"""
USAGE = {"text": '"a text" "another text"', "pair": '"a text" "another text"', "sound": "recording.wav", "image": "picture.png"}  # fmt: skip


def show_code(task: HubTask, name: Name, way: Way, options: TaskOptions, inputs: Sequence[str] = ()) -> str:
    """The script. Raises UsageError where there is none for this way, or the model does not run in transformers."""
    if name.provider != "hf":
        raise UsageError(
            f"--show-code writes scripts for checkpoints, which transformers runs; {name.text} is none. "
            "Name one as hf:./folder or hf:owner/name"
        )
    bodies = PROMPTED if way == "prompt" else {**TEXT, **MEDIA} if way == "special" else {}
    body = bodies.get(task.home if way == "special" else task.name)
    if body is None:
        raise UsageError(
            f"there is no script for {task.name} by {way}; there is for {', '.join(sorted(bodies)) or 'none'}"
        )
    if task.home == "embeddings" and task.takes == "pair":
        body = TEXT["similarity"]
    head = HEAD.format(title=task.title, file=f"{task.name.replace('-', '_')}.py", usage=USAGE[task.takes])
    used = {key: value for key, value in constants(name, options).items() if _uses(body, key)}
    lines = [f"{key} = {value!r}" for key, value in used.items()]
    lines.append(f"INPUTS = sys.argv[1:] or {list(inputs)!r}")
    imports, loading = (
        body[: body.index("\n\n", body.rindex("\nfrom "))],
        body[body.index("\n\n", body.rindex("\nfrom ")) :],
    )
    return f"{head}\n{imports.strip()}\n\n" + "\n".join(lines) + f"\n\n{loading.strip()}\n{LOOP}"


def constants(name: Name, options: TaskOptions) -> Mapping[str, object]:
    """The values that scripts are written over."""
    return {
        "MODEL": name.model, "REVISION": name.revision, "DTYPE": name.options.get("dtype", "float32"),
        "PICKLE": "pickle" in name.allow, "LABELS": list(options.labels), "SEVERAL": options.several,
        "HYPOTHESIS": options.hypothesis, "QUESTION": options.question, "SOURCE": options.source,
        "TARGET": options.target, "TOP": options.top, "THRESHOLD": options.threshold, "MAX_TOKENS": options.max_tokens,
        "TEMPERATURE": options.temperature, "TOP_P": options.top_p, "SEED": options.seed,
    }  # fmt: skip


def _uses(body: str, constant: str) -> bool:
    return re.search(rf"\b{constant}\b", body) is not None
