"""The command line: parse, call, print. Rules live in workbench and below.

main           the command group, and where errors become one line and an exit status
option_groups  options under headings in `--help`
arguments      texts, files and sums that commands are given
output         tables, JSON Lines, units
answering      an answer while it comes; terminal_chat is the conversation around it, chat_session what that has,
               chat_commands what begins with a slash, line_editor what is typed and pasted, clipboard
interrupt      Ctrl-C

Every other file is the command of its name, or the group of commands.
"""
