"""Text classification with a checkpoint made for it: sentiment, topic, language, toxicity."""

from collections.abc import Iterator, Sequence
from time import perf_counter

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import load_auto
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import Answered, LabelScore, TaskInput, TaskOptions, TaskOutput
from ..values import Failure
from .catalogue import HubTask
from .special import SpecialModel

BATCH_TOKENS = 4096  # of one forward pass, padding included


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "TextClassifier":
    return TextClassifier(task, name, checkpoint, options)


class TextClassifier(SpecialModel):
    """A TaskModel over texts. Inputs of similar length are computed together, the longest first."""

    @lazy
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        allowed = "remote-code" in self.checkpoint.allow
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(self.checkpoint.folder), trust_remote_code=allowed
        )
        return tokenizer

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return load_auto("AutoModelForSequenceClassification", self.checkpoint, self.name.options)

    def answer_block(self, inputs: Sequence[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion. A text that is too long is cut at its end and marked `truncated`; one
        without a token, or whose logits are not finite, is a Failure."""
        window = self.checkpoint.context_window
        rows, truncated = [], []
        for text in (each.text for each in inputs):
            whole: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
            cut: list[int] = self._tokenizer(text, truncation=True, max_length=window)["input_ids"]
            rows.append(cut)
            truncated.append(len(whole) > len(cut))
        order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        while order:
            index = order[0]
            if not rows[index]:
                yield order.pop(0), Failure("infra", f"input {index} holds no token")
                continue
            fits = BATCH_TOKENS // len(rows[index]) if self._tokenizer.pad_token_id is not None else 1
            batch = [index for index in order[: max(1, fits)] if rows[index]]
            order = order[len(batch) :]
            started = perf_counter()
            scores = self._scores([rows[index] for index in batch])
            seconds = (perf_counter() - started) / len(batch)
            for index, labels in zip(batch, scores, strict=True):
                if labels is None:
                    yield index, Failure("infra", f"what {self.name.text} computes are not finite numbers (NaN)")
                else:
                    yield (
                        index,
                        TaskOutput(
                            labels[0].label,
                            labels,
                            truncated=truncated[index],
                            tokens=len(rows[index]),
                            seconds=seconds,
                        ),
                    )

    @torch.inference_mode()
    def _scores(self, rows: Sequence[Sequence[int]]) -> list[tuple[LabelScore, ...] | None]:
        """Rows of falling length -> their labels, the likeliest first; None where logits are not finite.

        Independent labels, and a single one, go through a sigmoid; labels that exclude each other through a softmax.
        """
        config, width, pad = self._network.config, len(rows[0]), self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=self._network.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self._network.device)
        logits: torch.Tensor = self._network(input_ids=ids, attention_mask=mask).logits.float()
        independent = config.problem_type == "multi_label_classification" or config.num_labels == 1
        chances = logits.sigmoid() if independent else logits.softmax(-1)
        labels = {int(number): label for number, label in (config.id2label or {}).items()}
        names = [labels.get(number, str(number)) for number in range(logits.shape[-1])]
        return [
            tuple(sorted(map(LabelScore, names, row.tolist()), key=lambda one: -one.score))
            if bool(row.isfinite().all())
            else None
            for row in chances
        ]
