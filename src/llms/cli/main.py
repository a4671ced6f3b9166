"""`llms`: the command group and the one place where errors become one line and an exit status."""

import errno
import io
import logging
import sys

import click

from .. import __version__
from ..errors import LlmsError
from ..models import loading
from ..store import notices
from .interrupt import defer_during_imports
from .lazy_group import LazyGroup

COMMANDS: dict[str, tuple[str, str, str]] = {
    "choose": ("choose", "choose", "Choose a system for a job: what fits, what is allowed, what is best, how sure."),
    "eval": ("evaluate", "evaluate", "Evaluate systems on benchmarks."),
    "leaderboard": ("leaderboard", "leaderboard", "Show what was measured, side by side."),
    "compare": ("compare", "compare", "Compare two systems, or two runs: better, worse, or not to be told apart."),
    "gate": ("gate", "gate", "Decide GO or NO-GO by a policy of comparisons against a baseline; for CI."),
    "arena": ("arena", "arena", "Let systems battle on your prompts; vote, import votes, rate."),
    "speed": ("speed", "speed", "Measure first token, tokens per second and memory of systems on this machine."),
    "published": ("published", "published", "Take in, list and remove results that others published."),
    "samples": ("samples", "samples", "Show the items of a run: prompt, answers, what was extracted."),
    "grade": ("grade", "command", "Grade the answers of a run again, by another scorer or judge."),
    "report": ("report", "report", "Write a run as one HTML page."),
    "runs": ("runs", "runs", "List, compare, export and delete runs."),
    "perplexity": ("perplexity", "perplexity", "Measure bits per byte of a model on a text file."),
    "finetune": ("finetune", "finetune", "Train a model on your rows, and measure what that changed."),
    "pretrain": ("pretrain", "pretrain", "Train a small language model and its tokenizer from nothing, on your text."),
    "scaling": ("scaling", "scaling", "Fit scaling laws to training runs, and plan compute by them."),
    "chat": ("chat", "chat", "Talk to a model in the terminal."),
    "ask": ("chat", "ask", "Ask a model once, from the shell or a script."),
    "chats": ("chats", "chats", "List, search, export, import and delete conversations."),
    "presets": ("presets", "presets", "Keep a model, system prompt, tools and sampling under a name, for chats."),
    "memory": ("memory", "memory", "List, add, search and forget what is remembered between conversations."),
    "agent": ("agent", "agent", "Let a team of agents work on a goal; watch, replay and resume its runs."),
    "web": ("web", "web", "Chat, agents and lessons in the browser, on this machine only."),
    "minutes": (
        "minutes",
        "minutes",
        "Write the minutes of a recording or a transcript: decisions, actions, who, when.",
    ),
    "calc": ("calc", "calc", "Work out an expression exactly, as the tool of a model does."),
    "task": ("task", "task", "Do a task: sentiment, entities, questions, summaries, translation, speech, pictures."),
    "tokens": ("tokens", "tokens", "Show how models cut a text into tokens, and what sending it costs."),
    "next": ("next_tokens", "next_tokens", "Show the most likely next tokens after a text."),
    "mcp": ("mcp", "mcp", "List the configured MCP servers; accept what one starts and offers."),
    "stateless": ("stateless", "stateless", "See that a model remembers nothing: what is sent, and how it grows."),
    "models": ("models", "models", "List, describe, download and remove models."),
    "hub": ("hub", "hub", "Search the hub for models and data sets."),
    "data": ("data", "data", "Look at, filter, split, save and make rows, of files and of data sets on the hub."),
    "doctor": ("doctor", "doctor", "Check what llms needs, and say how to repair what is broken."),
    "serve": ("serve", "serve", "Answer OpenAI's protocol with local models."),
    "completion": ("completion", "completion", "Print the script by which a shell completes commands and options."),
    "benchmarks": ("benchmarks", "benchmarks", "List the benchmarks and their views."),
}
KEPT = {  # what an interrupt leaves, for commands that go on from it
    "eval": "what was scored is kept, and the same command continues",
    "arena": "answers and votes are kept, and the same command continues",
    "choose": "what was asked is kept, and the same command continues",
    "finetune": "the last checkpoint is kept, and the same command continues",
    "data": "rows that data make wrote are kept, and the same command continues",
    "task": "with --out, what was answered is kept, and the same command continues",
    "scaling": "runs that ended are in runs.csv, and llms scaling run with the same options continues",
    "pretrain": "checkpoints are kept, and llms pretrain --resume FOLDER continues",
    "agent": "what was done is kept: llms agent --runs lists it, llms agent --resume RUN continues",
}
_ROOM = "Free some space, or choose another folder (for the database: LLMS_HOME)"
_RIGHT = "Choose a folder that can be written (for the database: LLMS_HOME)"
_MISSING = "Choose a folder that exists"
ADVICE = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EACCES: _RIGHT, errno.EROFS: _RIGHT, errno.EPERM: _RIGHT,
    errno.ENOENT: _MISSING, errno.ENOTDIR: _MISSING, errno.EISDIR: _MISSING,
}  # fmt: skip


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llms")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Which language model should I use for this job, and how sure am I?

    Start with:  llms eval smollm2 -b hellaswag,gsm8k --limit 50
    """


def main() -> None:
    """Run a command; exit with 0, 1 (failed), 2 (wrong usage), 3 (budget used up) or 130 (interrupted)."""
    debug = "--debug" in sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # half a character of a model's reply stops no listing
    logging.getLogger("bitsandbytes").setLevel(
        logging.ERROR
    )  # peft imports it; it warns of a package that nobody needs
    loading.listen(_show_loading)
    stored: list[str] = []
    notices.listen(stored.append)
    defer_during_imports()
    try:
        cli.main(prog_name="llms", standalone_mode=False)
        for sentence in dict.fromkeys(stored):  # an error has said it already
            _say(sentence, 0)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        asked = isinstance(error, click.exceptions.Abort) and not isinstance(error.__context__, KeyboardInterrupt)
        if asked:  # and not answered with yes
            sys.exit(_say("not agreed to; nothing was changed", 130))
        note = KEPT.get(next((word for word in sys.argv[1:] if not word.startswith("-")), ""))
        sys.exit(_say(f"interrupted; {note}" if note else "interrupted", 130))
    except click.ClickException as error:
        hint = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        sys.exit(_say(error.format_message() + hint, error.exit_code))
    except LlmsError as error:
        if debug:
            raise
        sys.exit(_say(str(error), error.exit_status))
    except OSError as error:
        if debug or error.errno not in ADVICE:
            raise
        sys.exit(_say(f"{error.filename or 'writing'}: {error.strerror}. {ADVICE[error.errno]}", 1))


def _show_loading(event: loading.Loading) -> None:
    from .output import show_loading  # rich: a tenth of a second, which --help need not wait for

    show_loading(event)


def _say(message: str, status: int) -> int:
    print(f"llms: {message}", file=sys.stderr)
    return status
