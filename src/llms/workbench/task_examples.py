"""One example of each task: what a person reads and runs first, on a page and in a notebook. Loads no model."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..models.task_model import TaskOptions

PLAIN = TaskOptions()


@dataclass(frozen=True, slots=True)
class TaskExample:
    """A `text`, and its partner in a pair; or the `sample` that a page draws or plays: `disc` (a picture), `tone` (a sound)."""

    text: str = ""
    other: str = ""
    sample: str = ""
    options: TaskOptions = PLAIN


EXAMPLES: Mapping[str, TaskExample] = {
    "sentiment": TaskExample("The train was late again, but the view from the bridge made up for it."),
    "classification": TaskExample("The train was late again, but the view from the bridge made up for it."),
    "zero-shot": TaskExample(
        "My card was charged twice for the same ticket.",
        options=TaskOptions(labels=("billing", "delivery", "praise")),
    ),
    "entities": TaskExample("Marie Curie left Warsaw in 1891 and studied at the Sorbonne in Paris."),
    "question-answering": TaskExample(
        "The bridge was opened in 1932. It took eight years to build and carries eight lanes of cars, two railway tracks "
        "and a path for cyclists.",
        options=TaskOptions(question="How long did it take to build the bridge?"),
    ),
    "summarization": TaskExample(
        "The council met on Tuesday to decide about the old mill. Repairing its roof would cost more than the town spends "
        "on roads in two years, yet forty people had come to speak for it. After three hours the members agreed to repair "
        "the roof in stages, beginning with the north side, and to ask the region for half of the money."
    ),
    "translation": TaskExample(
        "The library opens at nine and closes at six.", options=TaskOptions(source="en", target="fr")
    ),
    "text-generation": TaskExample("Three things to see in a harbour at dawn:"),
    "fill-mask": TaskExample("In winter the lake is covered with [MASK].", options=TaskOptions(top=5)),
    "embeddings": TaskExample("A boat lies at anchor."),
    "similarity": TaskExample("A boat lies at anchor.", "A ship is moored in the bay."),
    "speech-to-text": TaskExample(sample="tone"),
    "text-to-speech": TaskExample("The library opens at nine."),
    "audio-classification": TaskExample(sample="tone"),
    "image-classification": TaskExample(sample="disc"),
    "image-captioning": TaskExample(sample="disc"),
    "visual-question-answering": TaskExample(
        sample="disc", options=TaskOptions(question="Which colour does the disc have?")
    ),
    "text-to-image": TaskExample("A lighthouse at dusk, in watercolour."),
}
