"""A System that gives again the answers it is handed, so that they are graded by the same code that grades new ones."""

from collections.abc import Iterable, Iterator, Sequence

from ..benchmarks.benchmark import Answers
from ..models.system import Capabilities, Generate, Model
from ..models.task_model import TaskInput
from ..values import Completion, Identity, LogLikelihood, Message


class Replay(Model):
    """Answers in the order in which `run` asks for them: item by item, each choice or sample of it in turn."""

    def __init__(self, identity: Identity, answers: Iterable[Answers]):
        self._identity = identity
        self._left: Iterator[LogLikelihood | Completion] = (answer for item in answers for answer in item)
        self._thought = 0

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(True, True, True, 0, renders=False)

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood]]:
        for index, _ in enumerate(pairs):
            answer = next(self._left)
            assert isinstance(answer, LogLikelihood)
            yield index, answer

    def complete_tasks(self, inputs: Iterable[TaskInput]) -> Iterator[tuple[int, Completion]]:
        return self.complete(inputs)

    def complete(self, requests: Iterable[Generate | TaskInput]) -> Iterator[tuple[int, Completion]]:
        for index, _ in enumerate(requests):
            answer = next(self._left)
            assert isinstance(answer, Completion)
            self._thought = answer.thinking_tokens
            yield index, answer

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        """Tokens of what was thought before the last answer: the only text that is counted while grading."""
        return self._thought
