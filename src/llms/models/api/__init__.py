"""Models behind an endpoint that speaks OpenAI's protocol: one transport for evaluation, chat, agents and pages.

model                     ApiModel, which loads no HTTP client until it is asked
session, client           the way to one endpoint, synchronous; its requests, asynchronous
batch, stream             many requests at once; one answer as it comes
request, response, chat_stream   what is sent; what comes, whole and event by event
chat_model                the same model for pydantic-ai
connection, transport     JSON over HTTP; attempts, limits, money
limiter, retry_policy, meter     how many at once, how often again, how many tokens
endpoints, dialect, errors, redaction   the servers, their words, their refusals, keys hidden in all of them
handshake, ollama, probe  what a server says of itself, states of its window, can do
"""
