"""`llms mcp`."""

import click

from .. import bridge
from ..errors import LlmsError, UnknownName
from ..tools import mcp as servers
from .output import console, print_json, table


@click.group("mcp", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One object a line: name, start, state, tools.")
@click.pass_context
def mcp(context: click.Context, as_json: bool) -> None:
    """List the MCP servers of mcp.json in LLMS_HOME, and whether they were accepted."""
    if context.invoked_subcommand:
        return
    known, configured = servers.accepted(), servers.configured().values()
    states = {server.name: servers.objection(server) or "accepted" for server in configured}
    tools = {
        server.name: sorted(entry.get("tools", ())) if (entry := known.get(server.name)) else []
        for server in configured
    }
    if as_json:
        print_json(
            {"name": server.name, "start": server.start, "state": states[server.name], "tools": tools[server.name]}
            for server in configured
        )
        return
    rows = table("name", "state", "start", "tools")
    for server in configured:
        rows.add_row(server.name, states[server.name], server.start, ", ".join(tools[server.name]))
    console().print(rows if configured else "no MCP servers; they are configured in mcp.json in LLMS_HOME")


@mcp.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Accept without asking; what is accepted is still printed.")
def accept(name: str, yes: bool) -> None:
    """Show what the server NAME starts and offers, and accept it as it is."""
    configured = servers.configured()
    if name not in configured:
        raise UnknownName("MCP server", name, configured)
    server = configured[name]
    click.echo(f"{name} starts: {server.start}")
    if not yes:
        click.confirm("Start it to see its tools?", abort=True)
    try:
        offer = bridge.run(servers.look(server))
    except LlmsError:
        raise
    except Exception as error:
        raise LlmsError(f"the MCP server {name} did not start: {error}; see mcp-{name}.log in LLMS_HOME") from error
    known = servers.accepted().get(name)
    for tool, description in offer.descriptions.items():
        click.echo(f"\n{name}_{tool}\n{description}")
    if known and (changed := servers.difference(known["tools"], offer.tools)):
        click.echo(f"\nsince it was accepted: {changed}")
    if not yes:
        click.confirm("\nLet models call these tools, each call after you agree?", abort=True)
    servers.accept(server, offer)
    click.echo(f"accepted: {len(offer.tools)} tools of {name}")
