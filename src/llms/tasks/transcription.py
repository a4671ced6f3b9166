"""Speech to text: recordings of any length, cut at silence, their parts computed together, doubtful segments marked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from ..errors import DataError, UsageError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.checkpoint import Checkpoint, as_object, read_json
from ..models.name import Name
from ..models.task_model import Answered, Segment, TaskInput, TaskOptions, TaskOutput
from ..values import Failure
from .catalogue import HubTask
from .doubt import compression_ratio, flag_equal_runs, flagged, repeats
from .recognizers import AFTER_END, Recognizer, load_recognizer
from .seeded import drawn_by
from .sound import CUT_SHORT, Loudness, Recording, Samples, open_media
from .special import SpecialModel
from .voice_activity import FRAME_SECONDS, Mask, cut_at_silence, speaks_in, speech_mask

BATCH_PARTS = {"cpu": 4, "cuda": 16}  # of one pass
WARMER = (0.2, 0.4)  # temperatures at which a part that repeats is tried again
NO_SPEECH = "no speech"


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "Transcriber":
    return Transcriber(task, name, checkpoint, options)


@dataclass
class _Progress:
    """A recording whose parts are being computed: when each begins, how many are
    still to come, the segments so far by their part."""

    sound: Loudness
    mask: Mask
    starts: list[float]
    waiting: int
    language: str
    cut_short: bool
    segments: dict[int, list[Segment]] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """Part `number` of recording `index`, which begins at `start` seconds of it."""

    index: int
    number: int
    start: float
    samples: Samples


class Transcriber(SpecialModel):
    """A TaskModel over recordings. Parts of several recordings are computed together, in their order.

    `heard` is told (index of the input, seconds that are done, seconds in all) after each pass.
    """

    heard: Callable[[int, float, float], None] | None = None

    def __init__(self, task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions):
        super().__init__(task, name, checkpoint, options)
        self._language, self._target = _languages(name, checkpoint, options)

    @lazy
    def _network(self) -> Recognizer:
        with loading("loading", self.name.text):
            return load_recognizer(self.name, self.checkpoint)

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion. A recording that cannot be read, or is no sound, is a Failure; one in
        which nobody speaks is an empty text with the flag `no speech`, for which the network computes nothing."""
        pending: dict[int, _Progress] = {}
        parts: list[_Part] = []
        size = BATCH_PARTS[self._network.network.device.type] if self._network.batches else 1
        for index, one in enumerate(inputs):
            if one.media is None:
                yield index, Failure("infra", f"input {index} holds no recording; expected WAV, FLAC, OGG or MP3")
                continue
            try:
                with open_media(one.media) as recording:
                    for part in self._parts(index, recording, pending):
                        parts.append(part)
                        if len(parts) == size:
                            yield from self._compute(parts, pending)
                            parts = []
            except (DataError, OSError) as error:
                pending.pop(index, None)
                parts = [part for part in parts if part.index != index]
                named = f" ({one.media.name})" if one.media.name else ""
                yield index, Failure("infra", f"input {index}{named}: {error}")
                continue
            if index in pending and not pending[index].waiting:
                yield index, self._finished(pending.pop(index))
        if parts:
            yield from self._compute(parts, pending)

    def _parts(self, index: int, recording: Recording, pending: dict[int, _Progress]) -> Iterator[_Part]:
        """The parts of a recording in which somebody speaks; `pending` gets an entry for it first."""
        sound = recording.loudness(FRAME_SECONDS)
        if not len(sound.levels):
            raise DataError("the recording is empty: it holds no samples")
        mask, rate = speech_mask(sound), self._network.rate
        stretches = cut_at_silence(sound, mask, self._network.window)
        progress = pending[index] = _Progress(
            sound, mask, [one.start for one in stretches], len(stretches), self._language, recording.cut_short
        )
        longest = int(self._network.window * rate)
        for number, stretch in enumerate(stretches):
            first = round(stretch.start * rate)
            samples = recording.read(first, min(round(stretch.end * rate), first + longest), rate)
            if not number and len(stretches) > 1 and not progress.language:
                progress.language = self._network.detect_language(samples)  # else it might change from part to part
            yield _Part(index, number, stretch.start, samples)

    def _compute(self, parts: Sequence[_Part], pending: dict[int, _Progress]) -> Iterator[Answered]:
        """The recordings that are whole once these parts are known."""
        started = perf_counter()
        for language in dict.fromkeys(pending[part.index].language for part in parts):
            alike = [part for part in parts if pending[part.index].language == language]
            for part, segments in zip(alike, self._recognize(alike, language), strict=True):
                pending[part.index].segments[part.number] = segments
                pending[part.index].waiting -= 1
        seconds = (perf_counter() - started) / len(parts)
        for part in parts:
            pending[part.index].seconds += seconds
        last = {part.index: part for part in parts}
        for index, part in last.items():
            progress = pending[index]
            if self.heard:
                self.heard(index, part.start + len(part.samples) / self._network.rate, progress.sound.seconds)
            if not progress.waiting:
                yield index, self._finished(pending.pop(index))

    def _recognize(self, parts: Sequence[_Part], language: str) -> list[list[Segment]]:
        """The segments of each part, flagged; a part that repeats is drawn anew at higher temperatures first."""
        network = self._network
        texts = network.recognize([part.samples for part in parts], language, self._target)
        for temperature in WARMER if network.draws else ():
            again = [number for number, segments in enumerate(texts) if repeats(_text(segments))]
            if not again:
                break
            with drawn_by(self.options.seed, network.network.device):
                others = network.recognize([parts[n].samples for n in again], language, self._target, temperature)
            for number, segments in zip(again, others, strict=True):
                texts[number] = min(texts[number], segments, key=lambda one: compression_ratio(_text(one)))
        return [flagged(segments, repeats(_text(segments))) for segments in texts]

    def _finished(self, progress: _Progress) -> TaskOutput:
        """The transcript of one recording, its segments at their times in the whole."""
        sound, mask, segments = progress.sound, progress.mask, []
        for number, start in enumerate(progress.starts):
            for one in progress.segments[number]:
                if len(progress.starts) > 1 and AFTER_END in one.flags:
                    continue  # a short recording's text stays as transformers has it; of a part they say nothing
                segments.append(replace(one, start=one.start + start, end=one.end + start))
        ordered = flag_equal_runs(in_order(segments, sound.seconds))
        text = _text(ordered)
        ordered = [
            replace(
                one,
                text=one.text.strip(),
                flags=one.flags if speaks_in(sound, mask, one.start, one.end) else (*one.flags, "in silence"),
            )
            for one in ordered
        ]
        doubts = dict.fromkeys(flag for one in ordered for flag in one.flags)
        return TaskOutput(
            text,
            segments=tuple(ordered),
            truncated=progress.cut_short,
            flags=(*(doubts if text else (NO_SPEECH,)), *[CUT_SHORT] * progress.cut_short),
            seconds=progress.seconds,
        )


def in_order(segments: Sequence[Segment], seconds: float) -> list[Segment]:
    """The segments that say something, their times within the recording; each begins where the one before ends, or later."""
    result: list[Segment] = []
    before = 0.0
    for one in segments:
        if one.text.strip():
            start = min(max(one.start, before), seconds)
            before = min(max(one.end, start), seconds)
            result.append(replace(one, start=round(start, 3), end=round(before, 3)))
    return result


def _text(segments: Sequence[Segment]) -> str:
    """The words of segments, which bring their own spaces, in languages that have them."""
    return "".join(one.text for one in segments).strip()


def _languages(name: Name, checkpoint: Checkpoint, options: TaskOptions) -> tuple[str, str]:
    """(the token of the language that is spoken, "translate" or nothing), from the options. Raises UsageError where the
    checkpoint cannot heed them."""
    path = checkpoint.folder / "generation_config.json"
    known = as_object(read_json(path).get("lang_to_id")) if path.is_file() else {}
    token = ""
    if options.source:
        wanted = options.source.lower()
        code = wanted if f"<|{wanted}|>" in known else TO_LANGUAGE_CODE.get(wanted, wanted)
        token = f"<|{code}|>"
        if not known:
            raise UsageError(f"{name.text} does not tell languages apart; leave out the source {options.source!r}")
        if token not in known:
            codes = ", ".join(sorted(one.strip("<|>") for one in known))
            raise UsageError(f"{name.text} does not know the language {options.source!r}; it knows {codes}")
    if options.target and (options.target.lower() not in ("en", "english") or not known):
        raise UsageError(f"{name.text} cannot write {options.target!r}; a multilingual Whisper translates to en alone")
    return token, "translate" if options.target else ""
