"""Translations by a checkpoint made for them: Marian for one pair of languages; mBART, M2M100, NLLB and T5 for many.

A multilingual one is told its languages in its own way: by special tokens, by a word before the text, or by the token
that the translation must begin with. Which languages it knows is read from its tokenizer and its configuration.
"""

import re
from collections.abc import Mapping, Sequence

from ..errors import UsageError
from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint, as_object
from ..models.name import Name
from ..models.task_model import TaskInput, TaskOptions, TaskOutput
from .catalogue import HubTask
from .forms import CUT_SHORT
from .languages import LANGUAGES, language_code, plainly_other, source_of
from .sequence import SequenceJob, SequenceModel, SourceText, WrittenText

_MARIAN = re.compile(r">>(.+)<<")  # before the text, where it has several targets
_MADLAD = re.compile(r"<2([a-z]{2,3}(?:_\w+)?)>")
_CODED = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")  # eng_Latn
_PAIR = re.compile(r"translation_(\w+)_to_(\w+)")


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "Translator":
    translator = Translator(task, name, checkpoint, options)
    translator.check_languages()
    return translator


class Translator(SequenceModel):
    """A TaskModel that writes a text in another language. Flags: `language?` where the text is plainly in another one than
    the source; `cut short` where a limit ended a translation."""

    def check_languages(self) -> None:
        """Raise UsageError where it does not translate from or to the languages that are asked for, with those it knows."""
        source, target = self._wanted(self.options.source), self._wanted(self.options.target)
        if self._marks:
            self._known(target, self._marks, "to")
        elif self._language_tokens:
            self._known(target, self._language_tokens, "to")
            if source:
                self._known(source, self._language_tokens, "from")
        elif self._pairs:
            if (source, target) not in self._pairs and (source or not any(to == target for _, to in self._pairs)):
                known = ", ".join(f"{one} to {other}" for one, other in sorted(self._pairs))
                raise UsageError(f"{self.name.text} translates {known}; not {source or 'any'} to {target or 'none'}")
        else:
            own_source, own_target = self._own
            for own, wanted, way in ((own_source, source, "from"), (own_target, target, "to")):
                if own in LANGUAGES and wanted and wanted != own:
                    raise UsageError(f"{self.name.text} translates {way} {own} only; {wanted} was asked for")

    @lazy
    def _vocabulary(self) -> Mapping[str, int]:
        vocabulary: Mapping[str, int] = self.tokenizer.get_vocab()
        return vocabulary

    @lazy
    def _marks(self) -> dict[str, str]:
        """{language: what stands before a text that is to become it}, of Marian and MADLAD."""
        marks = {match[1]: token for token in self._vocabulary if (match := _MARIAN.fullmatch(token))}
        return marks or {match[1]: f"{token} " for token in self._vocabulary if (match := _MADLAD.fullmatch(token))}

    @lazy
    def _language_tokens(self) -> dict[str, str]:
        """{language as the tokenizer names it: its token}, of mBART, M2M100 and NLLB."""
        if not hasattr(self.tokenizer, "_build_translation_inputs"):
            return {}
        if isinstance(own := getattr(self.tokenizer, "lang_code_to_token", None), dict):  # M2M100
            return dict(own)
        if isinstance(own := getattr(self.tokenizer, "lang_code_to_id", None), dict):  # mBART
            return {code: code for code in own}
        special = [*self.tokenizer.all_special_tokens, *getattr(self.tokenizer, "additional_special_tokens", ())]
        return {token: token for token in special if _CODED.fullmatch(token)}

    @lazy
    def _pairs(self) -> dict[tuple[str, str], str]:
        """{(source, target): its name in config.json}, of T5."""
        parameters = as_object(self.checkpoint.config.get("task_specific_params"))
        return {(match[1], match[2]): name for name in parameters if (match := _PAIR.fullmatch(name))}

    @property
    def _own(self) -> tuple[str, str]:
        """The languages that the tokenizer's files name, of a checkpoint for one pair."""
        config = self.checkpoint.tokenizer_config
        return str(config.get("source_lang") or ""), str(config.get("target_lang") or "")

    def _wanted(self, language: str) -> str:
        """The language as it is looked for: a code, or a name that the checkpoint itself has."""
        if not language or language in self._marks or language in self._language_tokens:
            return language
        return language_code(language)

    def _known(self, wanted: str, names: Mapping[str, str], way: str) -> str:
        """The checkpoint's own name of a language. Raises UsageError with those that it knows."""
        if wanted in names:
            return wanted
        alike = sorted(name for name in names if re.split(r"[_-]", name)[0] == wanted) if wanted else []
        if alike:
            return alike[0]
        option = {"to": "--to", "from": "--from"}[way]
        asked = f"not {way} {wanted}" if wanted else f"name one with {option}"
        raise UsageError(f"{self.name.text} translates {way} {', '.join(sorted(names))}; {asked}")

    @property
    def parameters_name(self) -> str:
        source, target = self._wanted(self.options.source), self._wanted(self.options.target)
        pairs = [pair for pair in self._pairs if pair[1] == target and source in ("", pair[0])]
        return self._pairs[pairs[0]] if pairs else self.task

    def _source(self, row: TaskInput) -> str:
        """The source's own name, as asked or as the text is in. Raises UsageError where it is not sure."""
        wanted = self._wanted(self.options.source) or source_of(row.text)
        return self._known(wanted, self._language_tokens, "from")

    def sources(self, row: TaskInput) -> list[SourceText]:
        target = self._wanted(self.options.target)
        if self._language_tokens:
            own = self._known(target, self._language_tokens, "to")
            setattr(self.tokenizer, "src_lang", self._source(row))  # noqa: B010 - its base class has no such field
            forced = self.tokenizer.convert_tokens_to_ids(self._language_tokens[own])
            assert isinstance(forced, int)
            return [SourceText(part, self.encode(part.text), forced) for part in self.split(row.text, "")]
        before = self._marks[self._known(target, self._marks, "to")] if self._marks else self.prefix
        return [SourceText(part, self.encode(before + part.text)) for part in self.split(row.text, before)]

    def finished(self, job: SequenceJob, parts: Sequence[WrittenText]) -> TaskOutput | None:
        text = ""
        for part in parts:
            words = part.passage.text
            text += part.text if len(parts) == 1 else part.text.strip() + words[len(words.rstrip()) :]
        source = self._wanted(self.options.source) or self._own[0]
        code = re.split(r"[_-]", source)[0]
        flags: list[str] = []
        if code in LANGUAGES and plainly_other(job.row.text, code):
            flags.append("language?")
        if any(part.cut_short for part in parts):
            flags.append(CUT_SHORT)
        return TaskOutput(text, flags=tuple(flags))
