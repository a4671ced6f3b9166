"""Intervals and averages: per-item scores enter, a Score with its 95 % interval leaves. Pure Python, no model, no store."""

from .average import macro, weighted
from .intervals import caution, choose, clustered_stderr, mean, open_scale, stderr, t_interval, wilson

__all__ = [
    "caution",
    "choose",
    "clustered_stderr",
    "macro",
    "mean",
    "open_scale",
    "stderr",
    "t_interval",
    "weighted",
    "wilson",
]
