"""OpenAI's protocol over local models: what comes over HTTP is checked, answered by the engine, and bounded.

requests    bodies of requests, checked
refusal     errors as OpenAI's clients expect them
served      the models, and who may use them at once
answers     rows of the engine, from an event loop, until the client has gone
chat        /v1/chat/completions
completions /v1/completions, prompts scored too
others      models, embeddings, tokens, health
guard       keys, hosts and sizes, before anything is read
server      the application and its process
start       models, address and server of `llms serve`
"""
