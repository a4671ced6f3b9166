"""Scoring and generation over token ids. Knows no text and no benchmark.

Engine    the door: wraps a transformers causal model, probes it, scores and decodes
Scorer    requests -> (index, log-probability) in order of completion; shared prefixes computed once
Decoder   add, step, abort: many generations at once
Probe     shows at load time that a model's attention follows a Layout
Workers   the same door over several processes
"""

from .decoder import Decoder, DecodeRequest, Event
from .door import Engine, Generated, single_thread
from .sampling import Sampling
from .scorer import Scorer, ScoreRequest, TokenScore

__all__ = [
    "DecodeRequest",
    "Decoder",
    "Engine",
    "Event",
    "Generated",
    "Sampling",
    "ScoreRequest",
    "Scorer",
    "TokenScore",
    "single_thread",
]
