"""`llms.choose`."""

from ...arena.choose.job import Choice


def choose() -> Choice:
    """The answer to: which system for this job?"""
    raise NotImplementedError
