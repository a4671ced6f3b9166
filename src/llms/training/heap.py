"""Gives freed memory back to the system where the C library would keep it in pieces.

Rows differ in length, so each step's tensors differ in size from the last one's: glibc's heap was seen to grow from 3.9 GB after
the first step of a run to 8.3 GB after its ninetieth, with the same work in each.
"""

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..engine.resident import give_back, resident_bytes

GROWTH = 1.25  # of what is resident after the first step: beyond it, what is free goes back


class HeapTrimmer(TrainerCallback):
    """After a step that left GROWTH times what the first one left, gives back what is free."""

    first = 0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        now = resident_bytes()
        if not self.first:
            self.first = now
        elif now > GROWTH * self.first:
            give_back()
