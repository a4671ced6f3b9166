"""One answer of a model: its requests, tool calls, events and what is kept of them."""
