"""A system whose answers a test decides; no weights, no network."""

from collections.abc import Callable

from llms.models.name import Name
from llms.models.system import Capabilities, Model
from llms.values import Completion, Identity, LogLikelihood


class Scripted(Model):
    """Replies with `reply(prompt text)`; the log-probability of a continuation is `likelihood(context, continuation)`.

    Messages are rendered as `<role>content` each. What was asked is kept in `asked`.
    """

    def __init__(
        self, reply: Callable[[str], str] = lambda text: "", name: str = "scripted", likelihood: Callable | None = None
    ):
        self.reply, self.likelihood, self.asked = reply, likelihood, []
        self.name = Name(name, "hf", name)

    @property
    def identity(self):
        return Identity(self.name.text, f"weights of {self.name.text}")

    @property
    def capabilities(self):
        return Capabilities(self.likelihood is not None, True, True, 4096)

    def score(self, pairs):
        self.asked += pairs
        for index, pair in enumerate(pairs):
            yield index, LogLikelihood(self.likelihood(*pair), False, 1, 10)

    def complete(self, requests):
        for index, request in enumerate(requests):
            self.asked.append(request)
            text = self.reply(request.prompt if isinstance(request.prompt, str) else self.render(request.prompt))
            yield index, Completion(text, len(text.split()), "stop", 10)

    def render(self, messages):
        return "".join(f"<{message.role}>{message.content}" for message in messages)

    def count_tokens(self, prompt):
        return len((prompt if isinstance(prompt, str) else self.render(prompt)).split())
