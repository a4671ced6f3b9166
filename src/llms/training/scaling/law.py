"""L(N, D) = E + A/N^alpha + B/D^beta, and what follows from it in closed form (Hoffmann et al. 2022, section 3.3).

N counts parameters, D training tokens; training takes C = 6 N D floating-point operations, a served token 2 N.
"""

import math
from dataclasses import dataclass

FLOPS_PER_PARAMETER_TOKEN = 6  # forward and backward; without attention's share (Kaplan et al. 2020, section 2.1)
LARGEST_EXPONENT = 700.0  # whose power of e is a float
SERVED_FLOPS_PER_PARAMETER = 2


@dataclass(frozen=True, slots=True)
class ScalingLaw:
    """The five parameters. The loss is in the unit of the runs that they were fitted to."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    @property
    def a(self) -> float:
        """The exponent of C in the compute-optimal number of parameters."""
        return self.beta / (self.alpha + self.beta)

    @property
    def b(self) -> float:
        """The exponent of C in the compute-optimal number of tokens."""
        return self.alpha / (self.alpha + self.beta)

    def loss(self, parameters: float, tokens: float) -> float:
        loss: float = self.E + self.A * parameters**-self.alpha + self.B * tokens**-self.beta
        return loss

    def optimum(self, flops: float) -> tuple[float, float]:
        """(parameters, tokens) of the least loss with 6 N D = `flops`: N = G (C/6)^a, D = (C/6)^b / G, with
        G = (alpha A / (beta B))^(1/(alpha + beta)) (Hoffmann et al. 2022, eq. 4).

        Not numbers where a term does not fall (alpha or beta at most 0), or an exponent is so near 0 that they leave all floats.
        """
        if min(self.alpha, self.beta, self.A, self.B) <= 0:
            return math.nan, math.nan
        product = math.log(flops / FLOPS_PER_PARAMETER_TOKEN)
        shift = math.log(self.alpha * self.A / (self.beta * self.B)) / (self.alpha + self.beta)
        exponents = shift + self.a * product, self.b * product - shift
        if max(map(abs, exponents)) > LARGEST_EXPONENT:
            return math.nan, math.nan
        return math.exp(exponents[0]), math.exp(exponents[1])

    def tokens_for(self, loss: float, parameters: float) -> float | None:
        """Tokens after which a model of so many parameters has `loss`; None where no number of tokens is enough."""
        left = loss - self.E - self.A * parameters**-self.alpha
        if left <= 0:
            return None
        exponent = math.log(self.B / left) / self.beta
        return math.exp(exponent) if exponent < LARGEST_EXPONENT else None  # beyond all floats is never, too


@dataclass(frozen=True, slots=True)
class PublishedLaw:
    """Parameters from a paper. `largest_flops` is the largest run that they rest on."""

    name: str
    law: ScalingLaw
    largest_flops: float
    source: str


# The runs of both are those of Hoffmann et al.'s Figure 4, whose largest took 1.3e22 FLOPs.
_LARGEST = 1.3e22
PUBLISHED = {
    law.name: law
    for law in (
        PublishedLaw(
            "hoffmann",
            ScalingLaw(1.69337, 406.401, 410.723, 0.33917, 0.28491),
            _LARGEST,
            "Hoffmann et al. 2022 (arXiv 2203.15556), eq. 10, with the digits of its TeX source",
        ),
        PublishedLaw(
            "hoffmann-printed",
            ScalingLaw(1.69, 406.4, 410.7, 0.34, 0.28),
            _LARGEST,
            "Hoffmann et al. 2022 (arXiv 2203.15556), eq. 10, rounded as printed",
        ),
        PublishedLaw(
            "epoch",
            ScalingLaw(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
            _LARGEST,
            "Besiroglu et al. 2024 (arXiv 2404.10102): Hoffmann et al.'s third approach, fitted anew",
        ),
    )
}
