"""A task as a script without llms: what `llms task` computes for inputs that fit the model's window, to be read, changed and
run by itself.

A script is its constants, which say model and options, then the loading and one function `answer`, then a loop.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import UnknownName, UsageError
from ..models.name import Name
from ..models.task_model import TaskInput, TaskOptions, Way
from ..values import Media
from .asked import LABELLED, choices_of, form_of
from .catalogue import HubTask
from .choices import choice, statement
from .code_media import MEDIA
from .code_prompt import CAPTIONS, CHOICE, PAIR, PROMPT, SCHEMA, SEEN
from .code_sequence import SEQUENCE
from .code_text import TEXT
from .languages import language_code

HEAD = '''"""{title}. With {library} alone.

    python {file} {usage}
"""

import json
import sys
'''
LOOP = """

for each in INPUTS:
    print(json.dumps({"input": each, "output": answer(each)}, ensure_ascii=False))
"""
USAGE = {"text": '"a text" "another text"', "pair": '"a text" "its partner"', "sound": "recording.wav", "image": "picture.png"}  # fmt: skip
PAIRS = '\nif not INPUTS or len(INPUTS) % 2:\n    sys.exit("give two texts, or more pairs of them")\n'
SPECIAL = {**TEXT, **SEQUENCE, **MEDIA}
VOCODER = "microsoft/speecht5_hifigan"
CAPTION_TOKENS = 40  # of models that were made to caption
UNKNOWN_OPTIONS = ("quantize", "adapter")


def show_code(task: HubTask, name: Name, way: Way, options: TaskOptions, inputs: Sequence[str] = ()) -> str:
    """The script. Raises UsageError where the model does not run in transformers, or an option that it needs is missing."""
    if name.provider != "hf":
        raise UsageError(
            f"--show-code writes scripts for checkpoints, which transformers runs; {name.text} is none. "
            "Name one as hf:./folder or hf:owner/name"
        )
    if beyond := [option for option in UNKNOWN_OPTIONS if option in name.options]:
        raise UsageError(f"--show-code has no script for ?{beyond[0]}=; leave it out of {name.text}")
    body, values = _written(task, way, options)
    constant = {**_constants(name, options), **values}
    cut = body.index("\n\n", body.rindex("\nfrom "))
    library = "diffusers" if task.home == "drawing" else "transformers"
    file = f"{task.name.replace('-', '_')}.py"
    head = HEAD.format(title=task.title, library=library, file=file, usage=USAGE[task.takes])
    lines = [f"{key} = {value!r}" for key, value in constant.items() if re.search(rf"\b{key}\b", body)]
    lines.append(f"INPUTS = sys.argv[1:] or {list(inputs)!r}")
    loop = LOOP
    if task.takes == "pair":
        lines.append(PAIRS.strip("\n"))
        loop = LOOP.replace("INPUTS", "zip(INPUTS[::2], INPUTS[1::2])")
    return f"{head}\n{body[:cut].strip()}\n\n" + "\n".join(lines) + f"\n\n{body[cut:].strip()}\n{loop}"


def _written(task: HubTask, way: Way, options: TaskOptions) -> tuple[str, Mapping[str, object]]:
    """The body of a script, and the values of constants that are its own."""
    if way == "choice":
        labels, text = choices_of(task, options), "{text}"
        sentence = options.hypothesis.replace("{}", "{label}")
        words = choice(text, labels, LABELLED[task.name])
        return CHOICE, {"LABELS": list(labels), "PROMPT": words, "STATEMENT": statement(text, sentence)}
    if way == "prompt" or task.home == "looking":
        return _asked(task, way, options)
    if task.home == "translation" and not options.target:
        raise UsageError("translation needs its target: add --to de")
    if task.home == "zero_shot" and not options.labels:
        raise UsageError("zero-shot needs its labels: add --labels praise,complaint")
    if task.home == "extraction" and not options.question:
        raise UsageError('a script needs its question: add --question "…"')
    if task.home == "seeing" and options.labels:
        usual = options.hypothesis == TaskOptions().hypothesis
        return MEDIA["matching"], {"HYPOTHESIS": "This is a photo of {}."} if usual else {}
    return SPECIAL["similarity" if task.takes == "pair" else task.home], {}


def _asked(task: HubTask, way: Way, options: TaskOptions) -> tuple[str, Mapping[str, object]]:
    form = form_of(task, options)
    row = TaskInput("{text}", other="{other}", media=Media("image/png", b"-") if form.picture else None)
    if reason := form.lacks(row):
        raise UsageError(f"a script for {task.name} {reason}: add --question")
    continues = task.name == "text-generation"
    values: dict[str, object] = {
        "PROMPT": form.wording(row),
        "MAX_TOKENS": options.max_tokens or form.usual_tokens,
        "CUE": "" if continues else "\n\nAnswer:",
        "STOP": list(form.stop),
        "CAPTION_TOKENS": options.max_tokens or CAPTION_TOKENS,
    }
    if form.picture:
        body = CAPTIONS if task.name == "image-captioning" and way == "special" else SEEN
    else:
        body = PAIR if task.takes == "pair" else PROMPT
    if continues:
        body = body.replace("skip_special_tokens=True).strip()", "skip_special_tokens=True)")
    if form.growth and not options.max_tokens:
        grown = f'max_new_tokens={form.usual_tokens} + int({form.growth} * len(tokenizer(text)["input_ids"]))'
        body = body.replace("max_new_tokens=MAX_TOKENS", grown)
    if form.schema is not None:
        head, words, rest = body.partition(
            "    picture = " if form.picture else "    words = " if task.takes != "pair" else "    first, second = "
        )
        body = f"{head}{SCHEMA.lstrip(chr(10))}{words}{rest}"
    return body, values


def _constants(name: Name, options: TaskOptions) -> Mapping[str, object]:
    """The values that scripts are written over."""
    return {
        "MODEL": name.model, "REVISION": name.revision, "DTYPE": name.options.get("dtype", "float32"),
        "PICKLE": "pickle" in name.allow, "LABELS": list(options.labels), "SEVERAL": options.several,
        "HYPOTHESIS": options.hypothesis, "QUESTION": options.question, "SOURCE": _code(options.source),
        "TARGET": _code(options.target), "TOP": options.top, "THRESHOLD": options.threshold,
        "MAX_TOKENS": options.max_tokens, "TEMPERATURE": options.temperature, "TOP_P": options.top_p,
        "SEED": options.seed, "VOICE": options.voice, "VOCODER": _vocoder(name),
        "STEPS": options.steps, "WIDTH": options.width, "HEIGHT": options.height,
    }  # fmt: skip


def _vocoder(name: Name) -> str:
    """That in the checkpoint's folder, as `speaking` has it; else the usual."""
    folder = Path(name.model).expanduser() / "vocoder"
    return str(folder) if folder.is_dir() else VOCODER


def _code(language: str) -> str:
    """de for German; a name that a checkpoint alone knows, such as deu_Latn, as it is."""
    try:
        return language_code(language) if language and not re.search("[_-]", language) else language
    except UnknownName:
        return language
