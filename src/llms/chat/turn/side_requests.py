"""Requests of a turn besides the answer itself: summaries of older messages, and parts of a text larger than the window."""

import asyncio
import time
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import replace
from functools import partial

from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import ModelResponse, TextContent, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from ...errors import LlmsError, ModelError
from ..conversation.messages import contents, name_of, user, visible
from ..conversation.tree import Node, new_id
from ..window.fit import digest_of, summary_tokens
from ..window.fit_result import Summary
from ..window.layout import READ_IN_PARTS
from ..window.mapreduce import Question, Reader, Reading, ReadingAnswer, ReadingProgress
from ..window.sizes import Payload, estimate_text
from ..window.summary import Rejected, summarise
from .events import TextDelta
from .journal import CallRecord, Journal
from .model_call import ModelCalls
from .setup import Setup
from .state import TurnState

TASK_CHARACTERS = 2000  # a paragraph up to this size at the beginning or end of a long text says what to do with it


class SideRequests:
    """Requests of their own purpose, kept like every other."""

    def __init__(self, state: TurnState, model_calls: ModelCalls):
        self._state, self._events, self._model_calls = state, state.events, model_calls

    @property
    def _setup(self) -> Setup:
        return self._state.setup

    def measure(self, text: str) -> int:
        return self._setup.count(Payload((user(text),)))

    async def ask(self, question: Question) -> ReadingAnswer:
        """Raises ModelError where no answer came."""
        setup, begun = self._setup, time.monotonic()
        message = user(question.prompt)
        settings = ModelSettings(max_tokens=question.max_tokens) | setup.settings
        parameters = ModelRequestParameters()
        if question.schema is not None and setup.model.profile.get("supports_json_schema_output"):
            output = OutputObjectDefinition(json_schema=dict(question.schema), name="answer")
            parameters = ModelRequestParameters(output_mode="native", output_object=output)
        response, error = ModelResponse(parts=[]), "interrupted"
        try:
            async with model_request_stream(
                setup.model, [message], model_settings=settings, model_request_parameters=parameters
            ) as stream:
                async for _ in stream:
                    pass
                response, error = stream.get(), ""
        except AgentRunError as failure:
            cause = own_cause(failure)
            error = str(cause)
            raise cause if isinstance(cause, LlmsError) else ModelError(error) from failure
        finally:
            text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
            counted = setup.count(Payload((message,)))
            own = RequestUsage(input_tokens=counted, output_tokens=estimate_text(text))
            used = response.usage if response.usage.has_values() else own
            record = CallRecord(
                new_id(), None, setup.name, setup.endpoint, question.purpose, Payload((message,)), (None,), settings,
                answer=None if error else text, prompt_tokens=used.input_tokens, cached_tokens=used.cache_read_tokens,
                tokens=used.output_tokens, source="own" if used is own else "reported", grade=setup.window.grade,
                counted=counted, seconds=time.monotonic() - begun, finish=response.finish_reason or "",
                cost=setup.cost(used), error=error or None, key=question.key or None,
            )  # fmt: skip
            self._model_calls.account(record)
        return ReadingAnswer(text, response.finish_reason or "stop", used.output_tokens)

    async def summary(self, evicted: str) -> Summary | None:
        """A summary of the path down to the node `evicted` and the rest of its exchange, which goes on from the one
        before it; None, and a notice, if there is no good one."""
        old, budget = self._state.summary, self._setup.window.budget
        nodes = [node for node in self._state.branch.path if node.role != "system"]
        last = next(at for at, node in enumerate(nodes) if node.id == evicted)
        covered = nodes[: _exchange_end(nodes, last)]
        known = old if old is not None and tuple(n.id for n in covered[: len(old.covers)]) == old.covers else None
        fresh = covered[len(known.covers) :] if known else covered
        result = await summarise(
            fresh, known.text if known else "", self.ask, self.measure, budget, summary_tokens(budget)
        )
        if isinstance(result, Rejected):
            text = f"older messages were left out instead of summarised: {result.reason}"
            self._state.tell("summary_failed", text)
            return None
        summary = Summary(new_id(), tuple(node.id for node in covered), digest_of(covered), result.text)
        self._events.writes.put(partial(self._state.journal.summary, summary, result.tokens))
        text = f"{len(covered)} older messages are sent as a summary"
        self._state.tell("summarised", text, {"summary": summary.id})
        return summary

    async def read_in_parts(self, attached: bool) -> bool:
        """Answer a question that is too large for one payload, for what is `attached` or for its own text.

        False: it takes more calls than the user agreed to.
        """
        call, setup = self._state.call, self._setup
        assert call is not None
        task, text = parts_of_question(self._state.branch.question, attached)
        cache = _AnswerCache(self._state.journal)
        reader = Reader(
            self.ask, self.measure, setup.window.budget, f"{setup.name}\n{setup.endpoint}", cache, setup.together
        )
        plan = await asyncio.to_thread(reader.plan, task, text)
        numbers = {"method": plan.method, "parts": len(plan.chunks), "calls": plan.calls, "tokens": plan.tokens}
        intent = f"the text is read in {plan.calls} requests ({len(plan.chunks)} parts, {plan.tokens} tokens)"
        if plan.needs_consent() and not setup.confirmed:
            self._state.tell("confirm_reading", f"{intent}: confirm it first", numbers)
            return False
        self._state.tell("reading", intent, numbers, lasts=False)
        reading: Reading | None = None
        async for step in reader.read(task, plan):
            if isinstance(step, ReadingProgress):
                text = (
                    f"reading part {step.done + 1} of {step.total}"
                    if step.done < step.total
                    else "joining what was found"
                )
                text += f" ({step.failed} failed)" if step.failed else ""
                progress = {"done": step.done, "total": step.total, "failed": step.failed}
                self._state.tell("reading", text, progress, lasts=False)
            else:
                reading = step
        assert reading is not None
        coverage = _coverage(reading)
        self._state.tell("read_in_parts", _read_words(coverage), coverage)
        call.text = reading.text
        self._events.delta(TextDelta(node=call.node.id, text=reading.text))
        message = replace(call.message(), model_name=setup.name, metadata={READ_IN_PARTS: coverage})
        self._model_calls.finish(message, "complete")
        return True


def own_cause(error: BaseException) -> BaseException:
    """One of our own errors that a client has wrapped says more than what it was wrapped in."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LlmsError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error


def parts_of_question(node: Node, attached: bool) -> tuple[str, str]:
    """(what to do, with which text) of a question that is too large.

    With attachments the user's words are the task. Otherwise the last paragraph is, or the first, if it is short.
    """
    items = [c for part in node.message.parts if isinstance(part, UserPromptPart) for c in contents(part)]
    words = visible(node.message)
    if attached:
        texts = [_titled(item) for item in items if isinstance(item, TextContent)]
        return words.strip() or "Summarise this.", "\n\n".join(texts)
    head, _, rest = words.partition("\n\n")
    before, _, tail = words.rstrip().rpartition("\n\n")
    if before and len(tail) <= TASK_CHARACTERS:
        return tail.strip(), before
    if rest and len(head) <= TASK_CHARACTERS:
        return head.strip(), rest
    return "Summarise this text.", words


def _titled(item: TextContent) -> str:
    name = name_of(item)
    return f"# {name}\n\n{item.content}" if name else item.content


def _exchange_end(nodes: list[Node], at: int) -> int:
    """The index of the next question after `at`."""
    return next((index for index in range(at + 1, len(nodes)) if nodes[index].role == "user"), len(nodes))


def _coverage(reading: Reading) -> dict[str, str | int]:
    states = [part.state for part in reading.coverage]
    counts = {state: states.count(state) for state in ("used", "empty", "failed", "not read")}
    return {"method": reading.method, **counts, "invented": sum(part.invented for part in reading.coverage)}


def _read_words(coverage: Mapping[str, str | int]) -> str:
    """The fate of the parts, for a person."""
    states = ("used", "empty", "failed", "not read")
    total = sum(int(coverage[state]) for state in states)
    words = {
        "used": "with something to say",
        "empty": "with nothing to the point",
        "failed": "failed",
        "not read": "not read",
    }
    counted = ", ".join(f"{coverage[state]} {words[state]}" for state in states if coverage[state])
    return f"the text was larger than the window and was read in {total} parts: {counted}"


class _AnswerCache(MutableMapping[str, str]):
    """Answers by key: those of this job, and those that the journal has of earlier ones."""

    def __init__(self, journal: Journal):
        self._journal, self._new = journal, dict[str, str]()
        self._gone: set[str] = set()

    def __getitem__(self, key: str) -> str:
        known = self._new.get(key)
        if known is None and key not in self._gone:
            known = self._journal.cached(key)
        if known is None:
            raise KeyError(key)
        return known

    def __setitem__(self, key: str, value: str) -> None:
        self._new[key] = value

    def __delitem__(self, key: str) -> None:
        self._new.pop(key, None)
        self._gone.add(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._new)

    def __len__(self) -> int:
        return len(self._new)
