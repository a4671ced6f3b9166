"""The one training loop: transformers' Trainer, as trl's for rows and for pairs, over batches of our own.

Its loss is the sum over the trained tokens of an optimizer step, in however many forward passes and processes, over their
number. What no number is stops it before the weights are changed.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from torch.utils.data import DataLoader
from transformers import PreTrainedModel
from trl import DPOTrainer, SFTTrainer

from .collate import TrainingBatch
from .feed import Collate, RowLoader, StepOrder
from .meter import StepMeter
from .recipe import TrainingRecipe
from .sealed import SealedTrainer

LossOf = Callable[[torch.nn.Module, TrainingBatch], torch.Tensor]  # the loss of each trained token, (N,)


class RowLoop(SealedTrainer):
    """Batches, loss and evaluation of our own in place of Trainer's; put in front of one of trl's trainers."""

    collate: Collate
    loss_of: LossOf
    train_rows: Dataset
    validation_rows: Dataset

    def prepare(
        self, recipe: TrainingRecipe, train_rows: Dataset, validation_rows: Dataset, collate: Collate, loss_of: LossOf
    ) -> None:
        """Take what `Trainer.__init__` has no room for."""
        self.recipe, self.train_rows, self.validation_rows = recipe, train_rows, validation_rows
        self.collate, self.loss_of, self.meter = collate, loss_of, StepMeter()
        self.loss_is_scaled_for_ga = True  # by `get_batch_samples`

    def get_train_dataloader(self) -> DataLoader:  # type: ignore[type-arg]  # as Trainer has it
        order = StepOrder(self.train_rows, self.recipe, self.args.process_index, self.args.world_size)
        return RowLoader(order, self.collate)

    def get_batch_samples(
        self, epoch_iterator: Iterator[TrainingBatch], num_batches: int, device: torch.device
    ) -> tuple[list[TrainingBatch], torch.Tensor]:
        """The batches of a step, and over how many items its loss is the mean, in all processes."""
        self.meter = meter = StepMeter()
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        meter.tokens = sum(batch.tokens for batch in batches)
        meter.trained_tokens = sum(batch.trained_tokens for batch in batches)
        meter.sources = tuple(source for batch in batches for source in batch.sources)
        items = torch.tensor(sum(map(self.items, batches)), device=device)
        counts = torch.stack([items, *(torch.tensor(n, device=device) for n in (meter.tokens, meter.trained_tokens))])
        items, tokens, trained = self.accelerator.reduce(counts)
        meter.tokens, meter.trained_tokens = int(tokens), int(trained)
        return batches, items.clamp(min=1)

    def items(self, batch: TrainingBatch) -> int:
        return batch.trained_tokens

    def total(self, model: torch.nn.Module, batch: TrainingBatch) -> torch.Tensor:
        """The sum of the losses of the batch's items."""
        return self.loss_of(model, batch).sum()

    def compute_loss(  # type: ignore[override]  # batches of our own stand in place of dictionaries
        self,
        model: torch.nn.Module,
        inputs: TrainingBatch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        total = self.finite(self.total(model, inputs), inputs.sources)
        items = self.items(inputs) if num_items_in_batch is None else num_items_in_batch
        loss: torch.Tensor = total / items * self.accelerator.num_processes  # which averages gradients
        return loss

    @torch.no_grad()
    def evaluate(self, *_: object, metric_key_prefix: str = "eval", **__: object) -> dict[str, float]:
        """The mean loss over the validation rows; every process computes its share."""
        model = self.network
        model.eval()
        total = torch.zeros((), dtype=torch.float64)
        items = 0
        for batch in RowLoader(self._validation_order(), self.collate):
            total += self.total(model, batch.to(self.args.device)).double().cpu()
            items += self.items(batch)
        sums = self.accelerator.reduce(
            torch.stack([total, torch.tensor(float(items), dtype=torch.float64)]).to(self.args.device)
        )
        model.train()
        metrics = {f"{metric_key_prefix}_loss": (sums[0] / sums[1].clamp(min=1)).item()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_order(self) -> StepOrder:
        return StepOrder(self.validation_rows, self.recipe, self.args.process_index, self.args.world_size)

    def _prepare_inputs(self, inputs: TrainingBatch) -> TrainingBatch:  # type: ignore[override]  # batches of our own stand in place of dictionaries
        return inputs.to(self.args.device)

    def floating_point_ops(self, inputs: TrainingBatch) -> int:  # type: ignore[override]  # batches of our own stand in place of dictionaries
        return 0  # nobody asks

    def create_model_card(self, *_: object, **__: object) -> None:
        """None: the run writes its own at its end."""

    def _send_telemetry(self) -> None:
        """Nothing: trl would send what is trained on which device to its authors."""

    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
        return dataset  # in ids already


class RowTrainer(RowLoop, SFTTrainer):
    """Supervised fine-tuning: the mean over trained tokens."""


class PairTrainer(RowLoop, DPOTrainer):
    """Direct preference optimization (Rafailov et al. 2023, eq. 7): the mean over pairs.

    The reference is the network without its adapter, or a second network where all weights are trained.
    """

    reference: PreTrainedModel | None = None

    def items(self, batch: TrainingBatch) -> int:
        return len(batch.sources) // 2

    def total(self, model: torch.nn.Module, batch: TrainingBatch) -> torch.Tensor:
        network = self.accelerator.unwrap_model(model)
        with torch.no_grad(), nullcontext() if self.reference else network.disable_adapter():
            before = self._log_probabilities(self.reference or network, batch)
        after = self._log_probabilities(model, batch)
        rewards = self.recipe.beta * (after - before)
        margins = rewards[0::2] - rewards[1::2]
        self.meter.margins.append(margins.detach())
        return -logsigmoid(margins).sum()

    def _log_probabilities(self, model: torch.nn.Module, batch: TrainingBatch) -> torch.Tensor:
        """Of each answer given its prompt, (2 · pairs,): preferred, other, preferred …"""
        losses = self.loss_of(model, batch)
        return losses.new_zeros(len(batch.sources)).index_add(0, batch.owners, -losses)
