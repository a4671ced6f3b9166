"""Which system for a job: limits, evidence, who cannot be told apart at the top, what would separate them. Pure."""
