"""The part of a conversation that is sent: a pure function of the path, the policy, the window and the previous cut.

truncate    the default. All of it while it fits; else older tool calls go first, then older exchanges, until a good
            quarter of the budget is free, so that the beginning stays the same for several turns (prefix caches)
summarise   what is older is replaced by a summary, which the caller makes from `FitResult.evict`
strict      refuse

The stored conversation is never changed. Exchanges that are kept are the newest ones without a gap; a tool call and
its result stay together; the last message of the user is always there. If that alone is too large, `FitResult.overflow`
says what must be read in parts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    SystemPromptPart,
    TextContent,
    ToolReturnPart,
    UserPromptPart,
)

from ...errors import ContextOverflow, PolicyRefusal, UsageError
from ..conversation.messages import contents, index, result_text, results, with_parts
from ..conversation.tree import Node
from .fit_result import Disposition, FitReport, FitRequest, FitResult, Summary, What, WindowCut
from .layout import Exchange, PromptLayout, alternate, clamp, lay_out, with_text
from .sizes import MessageSizes, Payload, Window, estimate_text

LOW_WATER = 0.75  # share of the budget that a fresh cut leaves filled at most
SUMMARY_TRIGGER, SUMMARY_TARGET = 0.85, 0.5
SUMMARY_KEEPS = 2  # exchanges before the current turn that are never summarised
SUMMARY_TOKENS, SUMMARY_SHARE = 800, 0.15
_SURELY_TOO_LARGE = 1.5  # times the budget by the sum of single messages: not worth rendering
_SHORTEST = 200  # characters left of a clamped tool result


@dataclass(frozen=True)
class _Case:
    """One path under one policy, as its candidates are built and counted. `layout` has nothing that `summary` stands for."""

    layout: PromptLayout
    request: FitRequest
    summary: str

    @property
    def window(self) -> Window:
        return self.request.window

    @property
    def earlier(self) -> tuple[Exchange, ...]:
        return self.layout.exchanges[:-1]

    @property
    def current(self) -> Exchange:
        return self.layout.exchanges[-1]

    def payload(self, cut: WindowCut) -> Payload:
        first, elided = self.first(cut), set(cut.elided)
        earlier = [e.without_units() if e.id in elided else e for e in self.earlier[first:]]
        messages = [item.message for exchange in (*earlier, self.last(cut)) for item in exchange.items]
        gone = [node for exchange in self.earlier[:first] for node in exchange.nodes]
        return Payload(tuple(self.with_prefix(messages, gone)), tuple(self.request.tools))

    def last(self, cut: WindowCut) -> Exchange:
        """The current turn; its results are clamped only when nothing else is left to leave out."""
        alone = cut.limit is not None and cut.first == self.current.id
        return clamped(self.current, cut.limit or 0) if alone else self.current

    def tokens(self, cut: WindowCut) -> int:
        return self.request.count(self.payload(cut))

    def first(self, cut: WindowCut) -> int:
        """The index of the first exchange that is sent."""
        return next((at for at, exchange in enumerate(self.layout.exchanges) if exchange.id == cut.first), 0)

    def with_prefix(self, messages: Sequence[ModelMessage], gone: Sequence[str]) -> list[ModelMessage]:
        """`messages` with everything pinned at the start."""
        pinned, texts = self.request.pinned, [*self.layout.system]
        if gone and self.request.policy.notice:
            dates = {node.id: node.created[:10] for node in self.request.path}
            texts.append(notice(len(gone), [dates[node] for node in gone if dates.get(node)]))
        texts += [*pinned.notes, pinned.memory]
        texts.append(f"Summary of earlier messages:\n{self.summary}" if self.summary else "")
        text = "\n\n".join(text for text in texts if text)
        if self.window.alternate:
            messages = alternate(messages)
        if not text:
            return list(messages)
        if not self.window.system_role:
            return [with_text(messages[0], text, before=True), *messages[1:]]
        return [ModelRequest(parts=[SystemPromptPart(text, timestamp=_stamp(messages[0]))]), *messages]


def fit(request: FitRequest) -> FitResult:
    """The payload of `request`, and what became of every node.

    Raises UsageError if nobody asked anything, ContextOverflow if the policy is strict and the payload too large, or if
    what is pinned leaves no room.
    """
    path, window, policy, summary = request.path, request.window, request.policy, request.summary
    layout = lay_out(path)
    if not layout.exchanges:
        raise UsageError("there is no user message to answer")
    sizes = request.sizes or MessageSizes(request.count)
    covered: tuple[str, ...] = ()
    if policy.name == "summarise" and summary is not None and covers(summary, path):
        covered = summary.covers
        hidden = set(covered)
        layout = replace(layout, exchanges=tuple(e for e in layout.exchanges if e.id not in hidden))
    case = _Case(layout, request, summary.text if covered and summary else "")
    weights = _weights(path, layout, sizes)
    cut, evict = _choose(case, weights)
    payload = case.payload(cut)
    total = request.count(payload)
    if total > window.budget and policy.name == "strict":
        raise PolicyRefusal(
            f"the conversation is {total} tokens, {total - window.budget} more than the {window.budget} that the model "
            "takes; use the policy truncate or summarise, or begin a new conversation"
        )
    overflow = _overflow(case, cut) if total > window.budget else None
    fates = tuple(_dispositions(case, cut, covered, overflow, weights))
    report = FitReport(
        policy.name, total, window.budget, window.tokens, window.reserve, window.margin, window.grade, fates,
        cut if cut != WindowCut() else None, tuple(f"{node}: {reason}" for node, reason in layout.repaired),
    )  # fmt: skip
    return FitResult(payload, report, overflow, evict)


def _weights(path: Sequence[Node], layout: PromptLayout, sizes: MessageSizes) -> dict[str, int]:
    """Tokens of each node as it would be sent with room for everything."""
    nodes, weights = {node.id: node for node in path}, dict[str, int]()
    for at, item in enumerate(item for exchange in layout.exchanges for item in exchange.items):
        node = nodes[item.node]
        name = node.digest
        if item.message is not node.message:
            length = sum(len(part.text) for part in index(item.message))
            name = f"{name}~{at if item.node in weights else 0}~{length}"
        weights[node.id] = weights.get(node.id, 0) + sizes(name, item.message)
    return {id: weights[id] if id in weights else sizes(node.digest, node.message) for id, node in nodes.items()}


def covers(summary: Summary, path: Sequence[Node]) -> bool:
    """Whether a summary stands for exactly how this path begins, its last exchanges apart."""
    nodes = [node for node in path if node.role != "system"]
    begin = nodes[: len(summary.covers)]
    last = max((at for at, node in enumerate(nodes) if node.role == "user"), default=0)
    same = tuple(node.id for node in begin) == summary.covers and digest_of(begin) == summary.digest
    return bool(begin) and same and len(begin) <= last and nodes[len(begin)].role == "user"


def digest_of(nodes: Sequence[Node]) -> str:
    """The digest a summary of these nodes is valid for: the last node's, which is over all before it."""
    return nodes[-1].digest if nodes else ""


def notice(messages: int, dates: Sequence[str]) -> str:
    """The sentence about what is not shown."""
    span = f" of {dates[0]}" if dates and dates[0] == dates[-1] else f" of {dates[0]} to {dates[-1]}" if dates else ""
    return f"{messages} earlier message{'s' if messages > 1 else ''}{span} {'are' if messages > 1 else 'is'} not shown."


def clamped(exchange: Exchange, limit: int) -> Exchange:
    """With every tool result at most about `limit` characters long; the whole ones stay stored."""
    items = []
    for item in exchange.items:
        parts = [_clamped(part, limit) if isinstance(part, ToolReturnPart) else part for part in item.message.parts]
        changed = any(new is not old for new, old in zip(parts, item.message.parts, strict=True))
        items.append(replace(item, message=with_parts(item.message, parts)) if changed else item)
    return Exchange(tuple(items))


def _clamped(part: ToolReturnPart, limit: int) -> ToolReturnPart:
    text = result_text(part)
    short = clamp(text, limit, f'read_artifact("{part.tool_call_id}") returns all of it')
    return part if len(short) >= len(text) else replace(part, content=short)


def _choose(case: _Case, weights: Mapping[str, int]) -> tuple[WindowCut, tuple[str, ...]]:
    """The cut, and what the policy would have summarised.

    What is counted decides; weights, which are sums of single messages, only say where to begin. A previous cut is
    made again only if it still names an exchange of this path and still fits: the budget holds before the cache does.
    """
    previous, budget, whole = case.request.previous, case.window.budget, WindowCut()
    guess = sum(weights[node] for exchange in case.layout.exchanges for node in exchange.nodes)
    total = case.tokens(whole) if guess <= _SURELY_TOO_LARGE * budget else guess
    evict: tuple[str, ...] = ()
    if case.request.policy.name == "summarise" and total > SUMMARY_TRIGGER * budget:
        evict = _evicted(case, total, weights)
    if total <= budget or case.request.policy.name == "strict":
        return whole, evict
    if (
        previous is not None
        and any(e.id == previous.first for e in case.layout.exchanges)
        and case.tokens(previous) <= budget
    ):
        return previous, evict
    cuts = _Cuts(case, weights)
    index = _first_below(cuts.guesses, lambda at: case.tokens(cuts[at]), LOW_WATER * budget)
    if index is not None:
        return cuts[index], evict
    last = cuts[len(cuts.guesses) - 1]
    return (last if case.tokens(last) <= budget else _shortest(case, last)), evict


class _Cuts:
    """From the least that is left out to the current turn alone: older tool units go first, then older exchanges.

    `guesses` tell about how many tokens each leaves, without rendering.
    """

    def __init__(self, case: _Case, weights: Mapping[str, int]):
        exchanges = case.layout.exchanges
        self._ids = [exchange.id for exchange in exchanges]
        self._with_units = [at for at, exchange in enumerate(case.earlier) if exchange.tool_calls]
        units = [
            sum(weights[node] for node in {item.node for item in exchange.items if item.unit is not None})
            for exchange in case.earlier
        ]
        rest = [sum(weights[node] for node in exchange.nodes) for exchange in exchanges]
        self.guesses = []
        total = sum(rest)
        for at in self._with_units:
            total -= units[at]
            self.guesses.append(total)
        for at in range(len(case.earlier)):
            total -= rest[at] - units[at]
            self.guesses.append(total)
        if not self.guesses:
            self.guesses.append(total)

    def __getitem__(self, at: int) -> WindowCut:
        count = len(self._with_units)
        if at < count:
            return WindowCut(tuple(self._ids[index] for index in self._with_units[: at + 1]), self._ids[0])
        first = min(at - count + 1, len(self._ids) - 1)
        # only exchanges that are still sent are elided: a cut that names one that is gone would not equal the same cut
        # made from a shorter path
        return WindowCut(tuple(self._ids[index] for index in self._with_units if index >= first), self._ids[first])


def _first_below(guesses: Sequence[int], tokens: Callable[[int], int], limit: float) -> int | None:
    """The first index with fewer tokens than `limit`. None if no index has.

    `tokens` falls from index to index and is expensive; `guesses`, which are not exact, say where to look first. From
    there the steps double until the border is between `low` and `high`, then halve.
    """
    low, high, step = -1, len(guesses), 1  # invariant: too many tokens up to `low`, few enough from `high` on
    probe = next((at for at, guess in enumerate(guesses) if guess < limit), high)
    while high - low > 1:
        probe = min(max(probe, low + 1), high - 1)
        if tokens(probe) < limit:
            high = probe
        else:
            low = probe
        bracketed = low >= 0 and high < len(guesses)
        probe = (low + high) // 2 if bracketed else high - step if low < 0 else low + step
        step *= 2
    return high if high < len(guesses) else None


def _shortest(case: _Case, cut: WindowCut) -> WindowCut:
    """With tool results of the current turn as long as they may be."""
    longest = max((len(result_text(part)) for item in case.current.items for part in results(item.message)), default=0)
    low, high = _SHORTEST, longest
    target = LOW_WATER * case.window.budget
    if longest <= low or case.tokens(replace(cut, limit=low)) >= target:
        return replace(cut, limit=low) if longest > low else cut
    while high - low > max(1, low // 20):
        middle = (low + high) // 2
        low, high = (middle, high) if case.tokens(replace(cut, limit=middle)) < target else (low, middle)
    return replace(cut, limit=low)


def _evicted(case: _Case, total: int, weights: Mapping[str, int]) -> tuple[str, ...]:
    """Nodes of the oldest exchanges whose summary would bring the payload below its target."""
    target = SUMMARY_TARGET * case.window.budget - summary_tokens(case.window.budget)
    evicted: list[str] = []
    for exchange in case.earlier[: max(0, len(case.earlier) - SUMMARY_KEEPS)]:
        if total <= target:
            break
        evicted += exchange.nodes
        total -= sum(weights[node] for node in exchange.nodes)
    return tuple(evicted)


def summary_tokens(budget: int) -> int:
    """The longest summary that is accepted."""
    return min(SUMMARY_TOKENS, int(SUMMARY_SHARE * budget))


def _overflow(case: _Case, cut: WindowCut) -> Literal["attachments", "text"]:
    """The part of the current turn that must be read in parts. Raises ContextOverflow if that would not help."""
    asked = case.current.items[0]
    bare = case.tokens(cut) - case.request.count(Payload((asked.message,)))
    if bare > LOW_WATER * case.window.budget:
        raise ContextOverflow(
            f"what is pinned, the tools and this turn's results are {bare} tokens without the question; the model takes "
            f"{case.window.budget}. Shorten the system prompt, use fewer tools, or choose a model with a larger window"
        )
    asks = case.tokens(cut) - bare
    items = [item for part in asked.message.parts if isinstance(part, UserPromptPart) for item in contents(part)]
    if sum(estimate_text(item.content) for item in items if isinstance(item, TextContent)) > asks / 4:
        return "attachments"
    if sum(estimate_text(item) for item in items if isinstance(item, str)) > asks / 4:
        return "text"
    raise ContextOverflow(
        f"the question and what is attached are {asks} tokens; the model takes {case.window.budget}. Attach less"
    )


def _dispositions(
    case: _Case,
    cut: WindowCut,
    covered: Sequence[str],
    overflow: str | None,
    weights: Mapping[str, int],
) -> Iterable[Disposition]:
    left_out = dict(case.layout.left_out)
    gone = {node for exchange in case.earlier[: case.first(cut)] for node in exchange.nodes}
    without, hidden = set(cut.elided), set(covered)
    elided = {i.node for e in case.earlier if e.id in without for i in e.items if i.unit is not None}
    pairs = zip(case.current.items, case.last(cut).items, strict=True)
    shortened = {old.node for old, new in pairs if old is not new}
    sent = {item.node for exchange in case.layout.exchanges for item in exchange.items}
    for node in case.request.path:
        what: What = "sent"
        if node.id in hidden:
            what = "covered"
        elif node.id in left_out or (node.role != "system" and node.id not in sent):
            what = "left out"
        elif node.id in gone:
            what = "dropped"
        elif node.id in elided:
            what = "elided"
        elif node.id == case.current.id and overflow:
            what = "chunked"
        elif node.id in shortened:
            what = "clamped"
        yield Disposition(node.id, what, weights[node.id], left_out.get(node.id, ""))


def _stamp(message: ModelMessage) -> datetime:
    """A time that stays the same from call to call, so that equal payloads are equal values."""
    stamp = getattr(message.parts[0], "timestamp", None) or message.timestamp
    return stamp if isinstance(stamp, datetime) else datetime.fromtimestamp(0, UTC)
