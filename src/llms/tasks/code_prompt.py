"""Scripts for language models that are asked in words: the chat template, then the likeliest tokens one after another."""

CHAT = """
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForCausalLM.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()


@torch.inference_mode()
def answer(text):
    messages = [{"role": "user", "content": WORDING}]
    tokens = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    torch.manual_seed(SEED)
    sampling = {"do_sample": True, "temperature": TEMPERATURE, "top_p": TOP_P} if TEMPERATURE else {"do_sample": False}
    written = model.generate(
        **tokens, max_new_tokens=MAX_TOKENS or 256, pad_token_id=tokenizer.eos_token_id, **sampling
    )
    return tokenizer.decode(written[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True).strip()
"""


def _worded(words: str) -> str:
    return CHAT.replace("WORDING", words)


PROMPTED = {
    "summarization": _worded('f"Summarize the text in a few sentences.\\n\\n{text}"'),
    "translation": _worded('f"Translate the text into {TARGET}. Answer with the translation alone.\\n\\n{text}"'),
    "text-generation": _worded("text"),
    "question-answering": _worded('f"{text}\\n\\nAnswer from this text alone, in a few words: {QUESTION}"'),
    "sentiment": _worded(
        "f\"Is this text positive or negative? Answer with {' or '.join(LABELS or ['positive', 'negative'])} alone.\\n\\n{text}\""
    ),
    "zero-shot": _worded(
        'f"Which label fits this text: {json.dumps(LABELS)}? Answer with the label alone.\\n\\n{text}"'
    ),
}
