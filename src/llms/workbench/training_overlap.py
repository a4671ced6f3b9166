"""Whether rows to be trained hold items of benchmarks: a score on those would say nothing of the model.

An item counts as held where a row has 13 words in a row in common with it (the rule of Brown et al. 2020, appendix C); of each
item every thirteenth such run is looked for, so that 25 words in common are always noticed. A shorter text counts where it
stands as a line of its own, from eight words on. Runs that several items have in common are the benchmark's wording, and no
sign. Compared is with the rows at hand: the embedded sample, and the data folder of LLMS_DATA.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..benchmarks.benchmark import Benchmark, EvalSplit
from ..benchmarks.catalogue import CATALOGUE
from ..data import Row, Source, open_source
from ..errors import DataError
from ..scoring.n_grams import WORD
from ..settings import data as data_root
from ..training.recipe import TrainingRecipe
from ..training.row_forms import ChatRow, RawRow, TrainingRow
from ..training.rows import Encoded, read_rows
from ..values import Message

GRAM, LEAST = 13, 8  # words
LONGEST_LINE = 400  # characters; a longer one has more words than 13
NAMED = 5  # items of a benchmark that are named


@dataclass(frozen=True)
class RowOverlap:
    """Items of a benchmark that stand in rows of training data: their names with the first row of each."""

    benchmark: str
    items: dict[str, str]
    compared: int

    def __str__(self) -> str:
        names = "; ".join(f"{item} in {row}" for item, row in list(self.items.items())[:NAMED])
        more = f"; and {len(self.items) - NAMED} more" if len(self.items) > NAMED else ""
        return (
            f"{len(self.items)} of {self.compared} items of {self.benchmark} at hand stand in the training data ({names}{more}): "
            "scores on this benchmark may be learnt by heart"
        )


def mark_overlap(encoded: Encoded, recipe: TrainingRecipe) -> Encoded:
    """`encoded` with a mark for each benchmark of which the recipe's rows hold items; they are read once more."""
    return replace(encoded, marks=(*encoded.marks, *map(str, find_overlap(read_rows(recipe)))))


def find_overlap(rows: Iterable[TrainingRow], sources: Iterable[Source] | None = None) -> list[RowOverlap]:
    """The benchmarks of which `rows` hold items, among those of the `sources`: by default all that are at hand offline."""
    index, compared = _index(_at_hand() if sources is None else sources)
    hits: dict[str, dict[str, str]] = {}
    for row in rows:
        for text in _texts(row):
            for benchmark, item in {hit for gram in _grams(text) if (hit := index.get(gram)) is not None}:
                hits.setdefault(benchmark, {}).setdefault(item, row.source)
    return [RowOverlap(name, items, compared[name]) for name, items in sorted(hits.items())]


def _at_hand() -> Iterator[Source]:
    yield open_source("sample")
    if (root := data_root()) and root not in ("sample", "hub", "fresh"):
        yield open_source(root)


def _index(sources: Iterable[Source]) -> tuple[dict[str, tuple[str, str]], dict[str, int]]:
    """(benchmark and item by a run of words, items compared by benchmark)."""
    index: dict[str, tuple[str, str] | None] = {}
    compared: dict[str, int] = {}
    tables: set[tuple[str, str, str, str]] = set()
    for benchmark, part, source in _parts(sources):
        key = (benchmark.dataset.folder, part.config, part.split, str(id(source)))
        if key in tables:
            continue  # several benchmarks ask the same rows in their own ways
        tables.add(key)
        for item, row in _rows(benchmark, part, source):
            compared[benchmark.name] = compared.get(benchmark.name, 0) + 1
            for gram in {gram for text in _strings(row) for gram in _grams(text, GRAM)}:
                index[gram] = (
                    (benchmark.name, item)
                    if index.get(gram, (benchmark.name, item)) == (benchmark.name, item)
                    else None
                )
    return {gram: item for gram, item in index.items() if item is not None}, compared


def _parts(sources: Iterable[Source]) -> Iterator[tuple[Benchmark, EvalSplit, Source]]:
    for source in sources:
        for benchmark in CATALOGUE.values():
            for part in benchmark.parts:
                if source.has(benchmark.dataset, part.config, part.split):
                    yield benchmark, part, source


def _rows(benchmark: Benchmark, part: EvalSplit, source: Source) -> Iterator[tuple[str, Row]]:
    try:
        rows = source.table(benchmark.dataset, part.config, part.split).rows
    except DataError:
        return  # of a folder that training does not need
    for index, row in enumerate(rows):
        if part.keep is None or part.keep(row):
            yield f"{part.subset}/{index}", row


def _strings(value: object) -> Iterator[str]:
    """The texts in a row."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _texts(row: TrainingRow) -> Iterator[str]:
    if isinstance(row, ChatRow):
        yield from (message.content for message in row.messages)
    elif isinstance(row, RawRow):
        yield row.prompt + row.completion
    else:
        for part in (
            (*row.prompt, row.chosen, row.rejected)
            if not isinstance(row.prompt, str)
            else (row.prompt, row.chosen, row.rejected)
        ):
            yield part.content if isinstance(part, Message) else part


def _grams(text: str, step: int = 1) -> Iterator[str]:
    """Runs of 13 words, every `step`-th and the last; and the lines that are shorter."""
    text = text.casefold()
    words = WORD.findall(text)
    last = len(words) - GRAM
    for start in range(0, last + 1, step):
        yield " ".join(words[start : start + GRAM])
    if last > 0 and last % step:
        yield " ".join(words[last:])
    for line in text.split("\n"):
        if len(line) < LONGEST_LINE and LEAST <= len(words := WORD.findall(line)) < GRAM:
            yield " ".join(words)
