"""Scoring and generation over token ids. Knows no text and no benchmark.

Engine    the door: wraps a transformers causal model, probes it, scores and decodes
Scorer    requests -> (index, log-probability) in order of completion; shared prefixes computed once
Decoder   add, step, abort: many generations at once
Probe     shows at load time that a model's attention follows a Layout
Live      one engine for many callers at once: chat, pages, the server
Tracer    how likely each token of a text is
Workers   the same door over several processes
"""

from .decoder import Decoder, DecodeRequest, Event
from .door import Engine, Generated, single_thread
from .live import Live
from .sampling import Sampling
from .scorer import Scorer, ScoreRequest, TokenScore
from .trace import Traced, Tracer

__all__ = [
    "DecodeRequest",
    "Decoder",
    "Engine",
    "Event",
    "Generated",
    "Live",
    "Sampling",
    "ScoreRequest",
    "Scorer",
    "TokenScore",
    "Traced",
    "Tracer",
    "single_thread",
]
