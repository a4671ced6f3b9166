"""Everything that outlives a process, in SQLite, durable as soon as it is known: one file per group of tables.

database              the file: opened, migrated, guarded; its schemas: conversation_schema, team_schema
notices               what opening it has to say to the user
health                its state, read without opening it for writing
runs, endpoints       evaluation: runs with their outcomes, probes of endpoints
conversations         messages as a tree, attachments; search looks through them
chat_runs, journal    runs of the turn loop: state, approvals; every event as it happens
model_calls, spending requests as they were sent, and what they cost
memory                remembered facts, runs of teams
process               whether the process that owns a run is gone
transfer              archives of conversations, out and in; imported, chatgpt: what other files hold
table                 a user's CSV file as a database of its own
"""
