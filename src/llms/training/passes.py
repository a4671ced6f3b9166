"""How a network computes the losses of a batch: ways from the fastest to its own, each proved on it before it is used."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from .attention import NAME, dense_mask
from .base_model import evaluated
from .collate import TrainingBatch, pack, pad
from .encoded import EncodedRow
from .head import install_head
from .lean import make_lean

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 1e-2}  # relative, of the losses
# Of the gradients. By rounding alone they are 1e-3 from those in float64, in the network's own way, where rows are of random tokens.
GRADIENT_TOLERANCE = {torch.float32: 4e-3, torch.bfloat16: 3e-2, torch.float16: 1e-2}
PROVED_ROWS = 4
PROVED_TOKENS = 128  # of each row: their logits, copied some five times, must not be the most a run takes


@dataclass(frozen=True)
class ForwardWay:
    """`collate` makes a batch of rows; `attention` is the network's while it computes them; `plain` takes its own logits."""

    name: str
    collate: Callable[[Sequence[EncodedRow]], TrainingBatch]
    attention: str = ""  # the network's own
    plain: bool = False

    def losses(self, model: torch.nn.Module, batch: TrainingBatch) -> torch.Tensor:
        """The loss of each trained token in nats, (N,)."""
        options: dict[str, object] = {"attention_mask": batch.attention_mask}
        if batch.position_ids is not None:
            options = {"position_ids": batch.position_ids}
            if self.attention == NAME:
                options["spans"] = batch.spans
            else:
                mask = dense_mask(batch.spans, batch.input_ids.shape[1])
                options["attention_mask"] = mask.to(batch.input_ids.device)
        losses: torch.Tensor = model(
            input_ids=batch.input_ids, predicting=batch.predicting, targets=batch.targets, plain=self.plain, **options
        )
        return losses


SPANS = ForwardWay("packed, row by row in attention", pack, NAME)
MASKED = ForwardWay("packed, under one mask", pack, "sdpa")
PADDED = ForwardWay("padded, only trained tokens in the head", pad)
OWN = ForwardWay("padded, as the network computes by itself", pad, plain=True)


def choose_way(
    model: torch.nn.Module, network: PreTrainedModel, rows: Sequence[EncodedRow], packing: bool
) -> tuple[ForwardWay, list[str]]:
    """(the fastest way whose losses and gradients are those of the network's own way, why each before it is not taken).

    `network` is within `model`, which may add an adapter; it gets the head that all ways need. Random numbers are left as
    they were.
    """
    install_head(network)
    own_attention = network.config._attn_implementation
    packed = (SPANS, MASKED) if network.device.type == "cpu" else (MASKED,)
    ways = (*(packed if packing else ()), PADDED)
    rows = [_shortened(row) for row in rows[:PROVED_ROWS]]
    reasons: list[str] = []
    with torch.random.fork_rng(), evaluated(model), _stirred(model):
        torch.manual_seed(0)
        expected = _results(OWN, model, network, rows)
        for lean in (True, False):
            fatten = make_lean(model) if lean else None
            for way in ways:
                reason = _compare(way, model, network, rows, expected)
                if not reason:
                    return way, reasons
                reasons.append(f"rows are not {way.name}{', by lean layers' if lean else ''}: {reason}")
                _attend(network, own_attention)
            if fatten is not None:
                fatten()
    return OWN, reasons


def _compare(
    way: ForwardWay,
    model: torch.nn.Module,
    network: PreTrainedModel,
    rows: Sequence[EncodedRow],
    expected: tuple[torch.Tensor, dict[str, torch.Tensor]],
) -> str:
    """In what `way` differs from what is expected; empty if in nothing."""
    try:
        return _difference(_results(way, model, network, rows), expected, network.dtype)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:  # of any architecture
        model.zero_grad(set_to_none=True)
        return f"it fails with {error}"


def _results(
    way: ForwardWay, model: torch.nn.Module, network: PreTrainedModel, rows: Sequence[EncodedRow]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """(losses in the order of the rows, gradients of their mean)."""
    if way.attention:
        _attend(network, way.attention)
    batch = way.collate(rows).to(network.device)
    losses = way.losses(model, batch)
    losses.mean().backward()
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return losses.detach()[torch.argsort(batch.owners, stable=True)], gradients


def _attend(network: PreTrainedModel, attention: str) -> None:
    if network.config._attn_implementation != attention:
        network.set_attn_implementation(attention)


def _difference(
    actual: tuple[torch.Tensor, dict[str, torch.Tensor]],
    expected: tuple[torch.Tensor, dict[str, torch.Tensor]],
    dtype: torch.dtype,
) -> str:
    """In what they differ by more than rounding in `dtype`; empty if in nothing."""
    apart = relative(actual[0], expected[0])
    if not apart <= TOLERANCE[dtype]:
        return f"its losses differ by {apart:.1e}, relative"
    if actual[1].keys() != expected[1].keys():
        return "other weights have gradients"
    squares = [
        (_square(actual[1][name].float() - one), _square(one)) for name, one in expected[1].items()
    ]  # no copy of all
    apart = (sum(square for square, _ in squares) / max(sum(square for _, square in squares), 1e-60)) ** 0.5
    return "" if apart <= GRADIENT_TOLERANCE[dtype] else f"its gradients differ by {apart:.1e}, relative"


def _square(values: torch.Tensor) -> float:
    norm: float = values.float().norm().item()
    return norm * norm


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """|actual - expected| / |expected|."""
    share: float = ((actual.float() - expected.float()).norm() / expected.float().norm().clamp(min=1e-30)).item()
    return share


@contextmanager
def _stirred(model: torch.nn.Module) -> Iterator[None]:
    """With trained weights that are all zero drawn at random, as a new adapter's second factors are: else nothing goes through them."""
    zeros = [one for one in model.parameters() if one.requires_grad and one.dim() > 1 and not one.detach().any()]
    try:
        for one in zeros:
            torch.nn.init.normal_(one, std=0.02)
        yield
    finally:
        for one in zeros:
            torch.nn.init.zeros_(one)


def _shortened(row: EncodedRow) -> EncodedRow:
    """The beginning of its prefix, and what follows, all of it trained: so that a loss is never next to nothing."""
    shared = min(row.prefix, PROVED_TOKENS // 4)
    own = row.ids[row.prefix : row.prefix + PROVED_TOKENS - shared]
    return EncodedRow(row.ids[:shared] + own, (0,) * shared + (1,) * len(own), shared, row.source)
