"""Requests to a decoder and the events that it answers with. Needs no torch, so that other computers of models speak it as well."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32 | np.int64]]
    Seen: TypeAlias = Mapping[str, Array]

NOT_NUMBERS = (
    "the model computes values that are not finite numbers (NaN): damaged weights, or a dtype too narrow for them; "
    "try dtype=float32"
)
Stop = Callable[[Sequence[int]], bool]
Finish = Literal["stop", "length", "nan"]
# (V,): torch's here, other arrays where another library computes
Logits = TypeVar("Logits", "torch.Tensor", "np.ndarray[tuple[int, ...], np.dtype[np.float32]]")


class Constrain(Protocol):
    """Logits (V,) with what must not follow the new tokens at -inf, in the array type in which they come."""

    def __call__(self, new: Sequence[int], logits: Logits, /) -> Logits: ...


@dataclass(frozen=True, slots=True)
class Penalties:
    """Changes of logits before a token is chosen, greedily or not.

    `repetition` divides the positive logits of tokens that stand in the prompt or the answer, and multiplies the negative
    ones (CTRL, Keskar et al. 2019, section 4.1). Of tokens in the answer, `frequency` is subtracted once for each time
    they came, `presence` once (OpenAI's definition). `bias` is added: (token, amount).
    """

    repetition: float = 1.0
    frequency: float = 0.0
    presence: float = 0.0
    bias: tuple[tuple[int, float], ...] = ()


NO_PENALTIES = Penalties()
LEAST_TEMPERATURE = 1e-30  # divided by less, logits would leave float32; it draws the likeliest token anyway


@dataclass(frozen=True, slots=True)
class Sampling:
    """temperature 0 is greedy; top_k 0, top_p 1 and min_p 0 leave the distribution whole. Equal seeds draw equal tokens.

    Tokens less likely than `min_p` times the likeliest one are left out (Nguyen et al. 2024).
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    min_p: float = 0.0
    penalties: Penalties = NO_PENALTIES


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """Continue `tokens` by at most `max_tokens`; `stop(new tokens)` is asked after each one.

    `constrain(new tokens, logits (V,))` returns the logits with what must not follow at -inf. With `top` each Event
    tells how likely its token was, and the `top` most likely ones, before penalties, temperature and constraint. `seen` are
    pictures as their model reads them, by the names of its forward's arguments; among the tokens stand their placeholders.
    """

    id: int
    tokens: tuple[int, ...]
    max_tokens: int
    sampling: Sampling = Sampling()
    stop: Stop | None = None
    constrain: Constrain | None = None
    top: int | None = None
    seen: "Seen | None" = field(default=None, compare=False)

    @property
    def takes_the_best(self) -> bool:
        """Whether each token is simply the one with the largest logit."""
        plain = self.sampling.temperature <= 0 and self.sampling.penalties == NO_PENALTIES
        return plain and self.constrain is None


@dataclass(frozen=True, slots=True)
class Event:
    """Request `id` got `token`; with `finish` it got no more (`stop`: end of sequence or stop rule; `nan`: the logits were
    not finite numbers, and the token means nothing).

    `logprob` (nats) and `top`, pairs of (token, log-probability), are there if the request asked for them.
    """

    id: int
    token: int
    finish: Finish | None
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()
