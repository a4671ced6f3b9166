"""`llms completion`: the shell's own script that completes commands and options by Tab."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for SHELL that completes commands, options and their choices.

    \b
    eval "$(llms completion bash)"                              # in ~/.bashrc
    eval "$(llms completion zsh)"                               # in ~/.zshrc
    llms completion fish > ~/.config/fish/completions/llms.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "llms", "_LLMS_COMPLETE").source())
