"""The exceptions of llms. Nothing else is imported here.

    LlmsError                something failed; the CLI exits with 1, or with the error's own `exit_status`
      UsageError             the request itself is wrong (exit status 2)
        UnknownName          no such model, benchmark, view or option; offers the nearest
        NotComparable        two runs differ in what was asked
      MissingExtra           an optional dependency is not installed
      ModelError             a model cannot be loaded or cannot do what is asked
        UnsafeCheckpoint     pickled weights or remote code, without the user's consent
        NotNumbers           a model computes NaN: damaged weights, or a dtype too narrow
        ContextOverflow      a prompt is longer than the context window
          PolicyRefusal      the policy strict sends nothing that does not fit whole (exit status 4)
        MissingKey           an endpoint needs a key that is not set; says which variable, and where one gets it
        JudgeFailed          a judge gave no verdict on an answer
      BudgetExceeded         the next request may cost more than is left of the budget (exit status 3)
      DataError              rows are missing, unreadable or of the wrong shape
        HubUnreachable       the hub does not answer and nothing is cached
      StoreError             the database cannot be read or written
      WorkerDied             a worker process ended before its work did
      DiskFull               there is no space for what is to be written

Every message says what failed, the value, what was expected and what to do.
"""

from collections.abc import Iterable, Sequence


class LlmsError(Exception):
    """Base of all errors that a user can act upon."""

    exit_status = 1


class UsageError(LlmsError):
    """The request cannot be carried out as it was put."""

    exit_status = 2


class UnknownName(UsageError):
    """`name` is not one of `known` (a `kind`, such as "benchmark"); the nearest are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        from difflib import get_close_matches

        known = sorted(known)
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind, self.name, self.near = kind, name, near

    def __reduce__(self) -> tuple[type[LlmsError], tuple[str]]:
        return (LlmsError, (str(self),))


class NotComparable(UsageError):
    """Two runs asked different questions, so their difference says nothing."""


class MissingExtra(LlmsError):
    """`package` is needed for `purpose` and comes with the extra `extra`."""

    def __init__(self, package: str, purpose: str, extra: str):
        super().__init__(
            f"{purpose} needs {package}, which is not installed; run: pip install 'llm-engineering[{extra}]'"
        )


class ModelError(LlmsError):
    """A model cannot be loaded, or cannot do what is asked of it."""


class NotNumbers(ModelError):
    """A model computed what is no finite number: its weights are damaged, or its dtype is too narrow."""


class UnsafeCheckpoint(ModelError):
    """The checkpoint would run code of its author; a named option allows it."""


class ContextOverflow(ModelError):
    """A prompt does not fit the model's context window."""


class PolicyRefusal(ContextOverflow):
    """A conversation does not fit whole, and its policy leaves nothing out."""

    exit_status = 4


class MissingKey(ModelError):
    """`name` is reached with a key; none of `variables` is set. `page` is where its provider hands one out."""

    def __init__(self, name: str, variables: Sequence[str], page: str):
        super().__init__(
            f"{name} needs a key: set {' or '.join(variables)} in the environment or in ./.env. Get one at {page}"
        )


class JudgeFailed(ModelError):
    """The judge did not answer, or its reply settles nothing: never a score of the system that was judged.

    `target` is what would have been right.
    """

    target = ""


class BudgetExceeded(LlmsError):
    """A request was not sent, because it might have cost more than is left."""

    exit_status = 3


class DataError(LlmsError):
    """Rows are missing, unreadable or of the wrong shape; names file and line where there is one."""


class HubUnreachable(DataError):
    """The hub does not answer, and what is asked for is not in the cache."""


class StoreError(LlmsError):
    """The database cannot be opened, read or written."""


class WorkerDied(LlmsError):
    """A worker process ended (killed, or out of memory) before its work was done."""


class DiskFull(LlmsError):
    """There is no space for what is to be written; says how many bytes it needs and how many are free."""
