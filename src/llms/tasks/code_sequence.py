"""Scripts for checkpoints that read one text and write another: summaries and translations."""

LOAD = """
tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForSeq2SeqLM.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()
parameters = getattr(model.config, "task_specific_params", None) or {}
"""
GENERATE = """
# generation as the checkpoint says of the task, else in general, else with 4 beams
settings = deepcopy(model.generation_config)
settings.update(**{name: value for name, value in stated.items() if name != "prefix"})
if settings.num_beams is None:
    settings.num_beams = 4
if settings.max_length is None and settings.max_new_tokens is None:
    settings.max_new_tokens = 256
if MAX_TOKENS is not None:
    settings.max_new_tokens, settings.max_length = MAX_TOKENS, None
    settings.min_length = min(settings.min_length or 0, MAX_TOKENS)
positions = getattr(model.config, "max_decoder_position_embeddings", None) or getattr(
    model.config, "max_position_embeddings", None
)
if positions and settings.max_new_tokens is not None:
    settings.max_new_tokens = min(settings.max_new_tokens, positions - 1)
if positions and settings.max_length is not None:
    settings.max_length = min(settings.max_length, positions)
if settings.pad_token_id is None:
    settings.pad_token_id = tokenizer.pad_token_id
if TEMPERATURE:
    settings.update(do_sample=True, num_beams=1, temperature=TEMPERATURE, top_p=TOP_P)
    settings.early_stopping = settings.length_penalty = None
prefix = stated.get("prefix", getattr(model.config, "prefix", None)) or ""
"""
ANSWER = """
@torch.inference_mode()
def answer(text):
    tokens = tokenizer(prefix + text, return_tensors="pt")
    tokens.pop("token_type_ids", None)
    torch.manual_seed(SEED)
    written = model.generate(**tokens, generation_config=settings)[0]
    return tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()
"""
SUMMARIZATION = f"""
from copy import deepcopy

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

{LOAD.strip()}
stated = parameters.get("summarization") or {{}}
{GENERATE.strip()}

{ANSWER}"""
TRANSLATION = f"""
import re
from copy import deepcopy

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

{LOAD.strip()}
pairs = [name for name in parameters if re.fullmatch(rf"translation_{{SOURCE or '[a-z]+'}}_to_{{TARGET}}", name)]  # T5
stated = parameters[pairs[0]] if pairs else {{}}
{GENERATE.strip()}


def token_of(language):
    \"\"\"How the vocabulary names a language: de_DE (mBART), __de__ (M2M100), deu_Latn (NLLB).\"\"\"
    named = rf"__{{language}}__|{{language}}" + ("" if "_" in language else "_[A-Z][A-Za-z]{{1,3}}")
    return next((token for token in sorted(tokenizer.get_vocab()) if re.fullmatch(named, token)), "")


if hasattr(tokenizer, "_build_translation_inputs"):  # of many languages: the decoder begins with that of the target
    if not (SOURCE and token_of(SOURCE) and token_of(TARGET)):
        sys.exit(f"{{MODEL}} needs SOURCE and TARGET, and knows them by names such as de or deu_Latn")
    tokenizer.src_lang = token_of(SOURCE).strip("_")
    settings.forced_bos_token_id = tokenizer.convert_tokens_to_ids(token_of(TARGET))
else:  # Marian and MADLAD of several targets: its mark stands before the text
    marks = {{f">>{{TARGET}}<<": "", f"<2{{TARGET}}>": " "}}
    prefix = next((mark + space for mark, space in marks.items() if mark in tokenizer.get_vocab()), prefix)

{ANSWER}"""
SEQUENCE = {"summarization": SUMMARIZATION, "translation": TRANSLATION}
