"""`llms chat` and `llms ask`: what they take; terminal_chat.py carries it out."""

import sys
from collections.abc import Callable
from typing import TypeVar, Unpack

import click

from . import arguments
from .arguments import ChatFlags
from .finite import FiniteRange
from .option_groups import ANSWER, DATA, MODEL, OUTPUT, RUN, GroupedCommand, option

F = TypeVar("F", bound=Callable[..., object])


def _chat_options(command: F) -> F:
    for add in reversed(
        (
            option(MODEL, "-m", "--model", help="The model; a stored conversation remembers its own (default: gguf:smollm2, or smollm2 where there is no llama.cpp)."),
            option(MODEL, "-s", "--system", help="A system prompt, or @FILE."),
            option(MODEL, "--preset", metavar="NAME", help="Model, system prompt, tools and sampling kept under a name (llms presets); options go before."),
            option(DATA, "-a", "--attach", "files", multiple=True, type=click.Path(exists=True, dir_okay=False), help="A file to send along: text in any encoding, PDF, Word, Excel, PowerPoint, a picture or sound; may be given again."),
            option(DATA, "-c", "--continue", "last", is_flag=True, help="Go on with the last conversation."),
            option(DATA, "--conversation", metavar="ID", help="Go on with this conversation."),
            option(RUN, "--tool", "tools", multiple=True, help="A tool the model may call, such as calculator, files:DIR, image:MODEL, speak:MODEL or mcp:NAME; may be given again."),
            option(RUN, "--approve", type=click.Choice(["ask", "never", "all"]), default="ask", show_default=True, help="What happens to tools that act."),
            option(OUTPUT, "--save-files", metavar="DIR", type=click.Path(file_okay=False), help="Where pictures, sounds and files that tools make are saved (default: files in LLMS_HOME)."),
            option(RUN, "--policy", type=click.Choice(["truncate", "summarise", "strict"]), help="What to do when the window is full."),
            option(ANSWER, "--max-tokens", type=click.IntRange(min=1), help="Of an answer."),
            option(ANSWER, "--temperature", type=FiniteRange(min=0), help="0 is greedy; the default is the model's own."),
            option(ANSWER, "--seed", type=int, help="Of sampling."),
            option(RUN, "--budget", help="At most so much money, in US dollars."),
            option(RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known."),
            option(DATA, "--memory/--no-memory", default=None, help="Tell the model the remembered facts that matter; they are shown first (llms memory)."),
            option(DATA, "--no-store", is_flag=True, help="Keep nothing on disk."),
        )
    ):  # fmt: skip
        command = add(command)
    return command


@click.command(cls=GroupedCommand)
@click.argument("words", nargs=-1)
@_chat_options
@option(DATA, "-t", "--template", type=click.Path(exists=True, dir_okay=False), help="A file with {names}; -p gives their values.")  # fmt: skip
@option(DATA, "-p", "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="The value of a name in the template; may be given again.")  # fmt: skip
@option(ANSWER, "--schema", help="A JSON schema that the answer obeys, or a file that holds one.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One event a line.")
@option(OUTPUT, "--whole", is_flag=True, help="End with 1 where the answer was cut, refused or empty.")
@option(OUTPUT, "--explain", is_flag=True, help="Show what would be sent, and send nothing.")
def ask(
    words: tuple[str, ...],
    template: str | None,
    parameters: tuple[str, ...],
    schema: str | None,
    as_json: bool,
    whole: bool,
    explain: bool,
    **flags: Unpack[ChatFlags],
) -> None:
    """Ask once: WORDS, what comes in by standard input, or both. The answer goes to standard output as it comes.

    \b
    llms ask "What is a token?"
    cat notes.txt | llms ask "Summarise this in two sentences" -m openai:gpt-5-mini
    llms ask -c "And in French?"

    Ctrl-C stops the answer and keeps what came. Exit status: 0 answered, 1 the model failed (with --whole, or
    its answer is not whole), 2 wrong usage, 3 budget, 4 refused by the policy, 5 a tool needs approval, 130 stopped.
    """
    text = arguments.question(words, template, parameters)
    wanted = arguments.schema(schema) if schema else None
    from . import terminal_chat  # pydantic-ai: a second or more, for nothing if the above fails

    if explain:
        terminal_chat.explain_request(text, flags)
    else:
        sys.exit(terminal_chat.ask_once(text, flags, wanted, as_json, whole))


@click.command(cls=GroupedCommand)
@_chat_options
def chat(**flags: Unpack[ChatFlags]) -> None:
    """Talk to a model. Enter sends; a line that ends in \\ goes on; /help lists the commands; Ctrl-C stops an answer."""
    from . import terminal_chat  # pydantic-ai: a second or more, which --help need not wait for

    terminal_chat.TerminalChat(flags).run()
