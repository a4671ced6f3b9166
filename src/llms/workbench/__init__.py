"""Joins models, benchmarks, tools and store for the command line, Python and the pages. One file per verb, no rules of its own.

system     any system by its name: `llms.load`
chat/      agent   memory           conversations, teams, what both remember
evaluate   compare   grade   perplexity   estimate    measuring
leaderboard   runs   run_items   html_report   board_page/    what was measured
choose/    fit   gate   speed      deciding: which system, does it fit, may it pass, how fast
arena/     published               battles and votes; results of others
models     probe   tokens   stateless   serve   doctor

team_session, team_system and checks belong to agent; cost, options and own_data to evaluate; machine to doctor.
"""
