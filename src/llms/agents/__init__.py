"""Teams that always end in an answer: Team, StepBudget, Board; the patterns by which they work; memory."""
