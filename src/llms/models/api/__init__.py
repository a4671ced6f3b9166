"""Models behind an endpoint that speaks OpenAI's protocol: one transport for evaluation, chat, agents and pages."""
