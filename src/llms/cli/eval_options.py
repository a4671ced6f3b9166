"""The settings of an evaluation as options of a command, made of the fields of `EvalConfig`."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from ..errors import UnknownName, UsageError
from ..evaluation.config import SETTING, EvalConfig, Setting, SettingParts, settings_of
from . import arguments
from .finite import FiniteRange
from .option_groups import ANSWER, DATA, GRADING, MODEL, RUN, option

Command = Callable[..., None]
_GROUPED = {
    MODEL: ("chat_template", "system_prompt", "thinking", "window", "way"),
    DATA: ("view", "limit", "shots", "draw", "data", "prompt", "by", "task", "labels", "source", "target"),
    ANSWER: ("samples", "temperature", "top_p", "seed", "stop", "max_tokens"),
    GRADING: ("scorer", "judge", "rubric", "sandbox"),
    RUN: ("fresh", "retry_failed", "workers", "budget", "price"),
}
BENCHMARKS = "benchmarks"
GROUP = {name: group for group, names in _GROUPED.items() for name in names}  # a setting that is nowhere: RUN


def eval_options(
    *names: str, config: type[EvalConfig] = EvalConfig, **changes: SettingParts
) -> Callable[[Command], Command]:
    """A decorator that gives a command the options of the settings `names`, in their order (none: of all).

    `changes` replace parts of a setting, such as its help, for this command.
    """
    defaults = {each.name: each.default for each in fields(config)}
    kinds = get_type_hints(config)
    known: dict[str, Setting] = {each.name: each.metadata[SETTING] for each in fields(config)}

    def add(command: Command) -> Command:
        for name in reversed(names or list(known)):
            setting = replace(known[name], **changes[name]) if name in changes else known[name]
            command = _option(name, setting, kinds[name], defaults[name])(command)
        return command

    return add


def config_of(values: Mapping[str, object], config: type[EvalConfig] = EvalConfig) -> EvalConfig:
    """The configuration that the values of a command's options say."""
    forms = {each.name: each.metadata[SETTING].form for each in fields(config)}
    read: Any = {name: _read(forms[name], value, name) for name, value in values.items()}
    return config(**read)


def config_file(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Let the settings in a TOML file be the defaults of a command's options. Raises UsageError, which names the key."""
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    kinds, known = get_type_hints(EvalConfig), settings_of(EvalConfig)
    defaults: dict[str, object] = {}
    for name, value in values.items():
        if name not in (*known, BENCHMARKS):
            raise UnknownName(f"setting in {path}", name, [*known, BENCHMARKS])
        accepted = {str} if name == BENCHMARKS else {kinds[name], *get_args(kinds[name])}
        defaults[name] = _stated(f"{name} in {path}", value, accepted, known[name].form if name in known else "plain")
    context.default_map = defaults


def _stated(what: str, value: object, kinds: set[object], form: str) -> object:
    """A value of a file as the command line would give it."""
    if isinstance(value, bool):
        right = bool in kinds
    elif isinstance(value, int | float):
        right = float in kinds or (isinstance(value, int) and int in kinds)
    elif isinstance(value, list):
        right = all(isinstance(one, str) for one in value) and not kinds & {int, float, bool}
    else:
        right = isinstance(value, str) and not kinds & {int, float, bool}
    if not right:
        raise UsageError(f"{what} is {value!r}, which is not of its type; see llms eval --help")
    if form == "on or off":
        return "on" if value else "off"
    if form in ("template", "escaped") and isinstance(value, str | list):  # escapes are TOML's, and read already
        texts = [one if one.startswith("@") else one.replace("\\", "\\\\") for one in _texts(value)]
        return texts[0] if form == "template" else texts
    return _texts(value) if kinds & {Sequence[str]} else value


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in value] if isinstance(value, list) else []


def _option(name: str, setting: Setting, kind: object, default: object) -> Callable[[Command], Command]:
    more: dict[str, object] = {"help": setting.help, "metavar": setting.metavar}
    if setting.form == "flag":
        more |= {"is_flag": True}
    elif setting.form == "off flag":
        more |= {"is_flag": True, "flag_value": False, "default": True}
    elif isinstance(default, tuple) or setting.form == "escaped":
        more |= {"multiple": True}
    else:
        more |= {"type": _type(setting, kind), "default": default, "show_default": setting.shows_default}
    return option(GROUP.get(name, RUN), setting.option, name, **more)


def _type(setting: Setting, kind: object) -> click.ParamType[str] | click.ParamType[int] | click.ParamType[float]:
    kinds = {kind, *get_args(kind)}
    low = setting.above if setting.least is None else setting.least
    if setting.form == "on or off":
        return click.Choice(["on", "off"])
    if setting.choices:
        return click.Choice(setting.choices)
    if int in kinds:
        least, most = (None if bound is None else int(bound) for bound in (low, setting.most))
        return click.INT if least is None is most else click.IntRange(least, most)
    if float in kinds:
        return FiniteRange(low, setting.most, min_open=setting.above is not None)
    return click.STRING


def _read(form: str, value: object, name: str) -> object:
    """The value of the setting `name` from that of its option; None stays, as it leaves the choice open."""
    if form == "escaped":
        assert isinstance(value, tuple)
        return tuple(arguments.unescaped(one) for one in value if one) if value else None
    if value is None:
        return None
    if form == "commas":
        assert isinstance(value, tuple)
        parts = tuple(part.strip() for text in value for part in text.split(",") if part.strip())
        if value and not parts:
            raise UsageError(f"--{name} {' '.join(map(repr, value))} names nothing; write names between commas")
        return parts
    if form == "on or off":
        return value == "on"
    if form not in ("text or file", "template"):
        return value
    assert isinstance(value, str)
    return arguments.text_of(value) if form == "text or file" else arguments.template_of(value)
