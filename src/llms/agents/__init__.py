"""Teams of agents that always end in an answer: Team, Ledger, Board; planner, specialists, memory."""
