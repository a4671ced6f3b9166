"""Scoring and generation over token ids. Knows no text and no benchmark.

Engine    wraps a transformers causal model, or a Llama; scores and decodes
Scorer    requests -> (index, log-probability) in order of completion; shared prefixes computed once
Decoder   add, step, abort: many generations at once
SeenPrompt a prompt with pictures, by itself
Proof     that attention follows a Layout: shown once, on a small twin of the model, and kept
Llama     Llama-like checkpoints without transformers
EngineLoop one engine for many callers at once: chat, pages, the server
Tracer    how likely each token of a text is
Workers   as Engine, over several processes
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .decoder import Decoder
    from .engine import Engine, Generated, single_thread
    from .engine_loop import EngineLoop
    from .memory import free_bytes_of_host
    from .prepack import computes_bfloat16
    from .request import DecodeRequest, Event, Sampling
    from .scorer import Scorer, ScoreRequest, TokenScore
    from .trace import TraceChunk, Traced, Tracer, trace_chunks
    from .workers import Workers

__all__ = [
    "DecodeRequest",
    "Decoder",
    "Engine",
    "EngineLoop",
    "Event",
    "Generated",
    "Sampling",
    "ScoreRequest",
    "Scorer",
    "TokenScore",
    "TraceChunk",
    "Traced",
    "Tracer",
    "Workers",
    "computes_bfloat16",
    "free_bytes_of_host",
    "single_thread",
    "trace_chunks",
]
_HOMES = {
    "decoder": ("Decoder",),
    "engine": ("Engine", "Generated", "single_thread"),
    "engine_loop": ("EngineLoop",),
    "memory": ("free_bytes_of_host",),
    "prepack": ("computes_bfloat16",),
    "request": ("DecodeRequest", "Event", "Sampling"),
    "scorer": ("Scorer", "ScoreRequest", "TokenScore"),
    "trace": ("TraceChunk", "Traced", "Tracer", "trace_chunks"),
    "workers": ("Workers",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # for a type checker every name would be known

    def __getattr__(name: str) -> object:
        """Load the module of a name when it is first asked for: most bring torch along, `request` does not."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
