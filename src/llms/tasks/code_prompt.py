"""Scripts for language models: asked in words by their chat template, or the likeliest of the labels by log-probability.

The words are those that llms asks with: `show_code` has them from `forms`, as the constants PROMPT and STATEMENT.
"""

LOAD = """
tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForCausalLM.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()
"""
HEAD = f"""
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

{LOAD.strip()}
"""
SCHEMA = """
    # llms holds the answer to a JSON schema while it is written; this script only asks for it, so that an answer may differ
"""
ASKED = """
    if tokenizer.chat_template:
        tokens = tokenizer.apply_chat_template(
            [{"role": "user", "content": words}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        stop = {}
    else:  # a model that only continues texts
        tokens = tokenizer(words + CUE, return_tensors="pt")
        stop = {"stop_strings": STOP, "tokenizer": tokenizer} if STOP else {}
    tokens.pop("token_type_ids", None)
    torch.manual_seed(SEED)
    sampling = {"do_sample": True, "temperature": TEMPERATURE, "top_p": TOP_P} if TEMPERATURE else {"do_sample": False}
    written = model.generate(
        **tokens, max_new_tokens=MAX_TOKENS, pad_token_id=tokenizer.eos_token_id, **stop, **sampling
    )
    return tokenizer.decode(written[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True).strip()
"""
PROMPT = (
    HEAD
    + """

@torch.inference_mode()
def answer(text):
    words = PROMPT.replace("{text}", text)
"""
    + ASKED.strip("\n")
)
PAIR = (
    HEAD
    + """

@torch.inference_mode()
def answer(pair):
    first, second = PROMPT.split("{other}")
    words = first.replace("{text}", pair[0]) + pair[1] + second
"""
    + ASKED.strip("\n")
)
CHOICE = (
    HEAD
    + '''

def log_probability(words, label):
    """Of the label's tokens behind the words, in nats: their sum."""
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": words}]
        context = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    else:
        context, label = words + "\\n\\nAnswer:", " " + label
    whole, context = context + label, context.rstrip()
    special = not (tokenizer.bos_token and context.startswith(tokenizer.bos_token))
    ids = tokenizer(whole, add_special_tokens=special)["input_ids"]
    first = len(tokenizer(context, add_special_tokens=special)["input_ids"])
    chances = model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
    return sum(float(chances[place - 1, ids[place]]) for place in range(first, len(ids)))


@torch.inference_mode()
def answer(text):
    if SEVERAL:  # each label is a question of its own
        chances = {}
        for label in LABELS:
            words = STATEMENT.replace("{label}", label).replace("{text}", text)
            both = torch.tensor([log_probability(words, one) for one in ("yes", "no")])
            chances[label] = float(both.softmax(-1)[0])
    else:
        words = PROMPT.replace("{text}", text)
        scores = torch.tensor([log_probability(words, label) for label in LABELS])
        chances = dict(zip(LABELS, scores.softmax(-1).tolist()))
    return max(chances, key=chances.get)
'''
)
SEEN = """
import torch
from PIL import Image, ImageOps
from transformers import AutoModelForImageTextToText, AutoProcessor, Idefics3Processor

model = AutoModelForImageTextToText.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()
settings = {"do_sample": True, "temperature": TEMPERATURE, "top_p": TOP_P} if TEMPERATURE else {"do_sample": False}


def processor_of(kind):
    try:
        return AutoProcessor.from_pretrained(MODEL, revision=REVISION, backend="pil")
    except ImportError:  # without torchvision, which only videos need
        if kind != "smolvlm":
            sys.exit(f"the processor of {MODEL} needs torchvision: pip install torchvision")
        return Idefics3Processor.from_pretrained(MODEL, revision=REVISION, backend="pil")


@torch.inference_mode()
def answer(path):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    torch.manual_seed(SEED)
    processor = processor_of(model.config.model_type)
    tokenizer = processor.tokenizer
    parts = [{"type": "image"}, {"type": "text", "text": PROMPT}]
    text = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    special = not (tokenizer.bos_token and text.startswith(tokenizer.bos_token))
    tokens = processor(text=[text], images=[picture], add_special_tokens=special, return_tensors="pt")
    written = model.generate(**tokens, max_new_tokens=MAX_TOKENS, pad_token_id=tokenizer.eos_token_id, **settings)
    return tokenizer.decode(written[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True).strip()
"""
CAPTIONED = """def captioned(picture):
    \"\"\"By a model that was made to caption and takes no words.\"\"\"
    pixels = AutoImageProcessor.from_pretrained(MODEL, revision=REVISION, backend="pil")
    words = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
    seen = pixels(images=[picture], return_tensors="pt")
    written = model.generate(**seen, max_new_tokens=CAPTION_TOKENS, num_beams=1, **settings)
    return words.decode(written[0], skip_special_tokens=True).strip()
"""
CAPTIONS = (
    SEEN.replace("import AutoModel", "import AutoImageProcessor, AutoModel")
    .replace("AutoProcessor, ", "AutoProcessor, AutoTokenizer, ", 1)
    .replace("\n\n@torch", f"\n\n{CAPTIONED}\n\n@torch")
    .replace(
        "    processor = processor_of",
        '    if model.config.model_type in ("blip", "git", "vision-encoder-decoder"):\n'
        "        return captioned(picture)\n    processor = processor_of",
    )
)
