"""From a name to a model that scores, generates and chats, wherever it is computed.

name, load              a name parsed; the model it names
system, task_model      the two protocols: System (and its base class Model), TaskModel for special models
trace                   what a look inside a local model gives
info, digest, default   facts of a checkpoint without loading it; its hash; which model answers where none is named
loading                 what takes time before an answer, said to whoever listens
prices, spending        what an answer costs; the ledger that keeps to a budget, and who waits for it (wait_queue)
messages                pydantic-ai's messages as requests

local/   checkpoints, computed by the engine        gguf/   GGUF files, computed by llama.cpp
api/     models behind OpenAI-compatible endpoints  hub/    the Hugging Face hub and its cache
"""
