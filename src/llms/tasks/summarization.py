"""Summaries by a checkpoint made for them: BART, Pegasus, T5. A long text is summarized in parts, then their summaries."""

from collections.abc import Sequence
from dataclasses import replace

from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import TaskOptions, TaskOutput
from .catalogue import HubTask
from .forms import CUT_SHORT, IN_PARTS
from .sequence import SequenceJob, SequenceModel, WrittenText


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "Summarizer":
    return Summarizer(task, name, checkpoint, options)


class Summarizer(SequenceModel):
    """A TaskModel that writes a text in fewer words. Flags: `in parts`; `cut short` where a limit ended the summary."""

    def finished(self, job: SequenceJob, parts: Sequence[WrittenText]) -> TaskOutput | None:
        text = "\n".join(part.text.strip() for part in parts)
        short = (CUT_SHORT,) if any(part.cut_short for part in parts) else ()
        if len(parts) == 1:
            return TaskOutput(parts[0].text, flags=short)
        job.flags = (IN_PARTS,)
        length = sum(len(source.passage.text) for source in job.sources)
        if not text or len(text) >= length:  # it would go on for ever
            return TaskOutput(text, flags=short)
        job.sources = self.sources(replace(job.row, text=text))
        return None
