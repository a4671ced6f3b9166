"""Models whose checkpoint is here: found, checked, loaded, computed by the engine in this process or in several.

model                     LocalModel: scores, generates, streams, traces
open, seeing              from a name to a model; one that is sent pictures
pictures, processor       pictures as pixels; as what their model reads
tokenizing_model, reply   what it shares with GGUF files; one answer, from request to Deltas
toolcalls, constrain      tool calls read out of text; answers that cannot break their form
chat_model                the same model for pydantic-ai
checkpoint, adapter       the files of a checkpoint, of a LoRA adapter
lora                      an adapter added to weights
precision, damage         in which numbers it is computed; why it computes none
build, construct          the description of an engine, and its making
reference                 transformers' own forward pass, for looking inside
auto, embedding           other kinds of model; texts to vectors
tokenizer, embedded       transformers' tokenizer; the model that comes with llms
"""
