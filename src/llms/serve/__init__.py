"""OpenAI's protocol over local models: what comes over HTTP is checked, answered by the engine, and bounded.

requests    what may be asked
refusal     what is answered when it may not
served      the models, and who may use them at once
answers     rows of the engine, from an event loop, until the client has gone
chat        /v1/chat/completions
completions /v1/completions, prompts scored too
others      models, embeddings, tokens, health
guard       keys, hosts and sizes, before anything is read
connection  time limits of connections
server      the application and its process
"""
