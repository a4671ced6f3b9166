"""Scripts for special models over texts, by the module that does the same here: imports, a blank line, the rest."""

LOAD = """
tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
model = {auto}.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()
"""


def _loaded(auto: str) -> str:
    return LOAD.format(auto=auto).strip()


CLASSIFICATION = f"""
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

{_loaded("AutoModelForSequenceClassification")}


@torch.inference_mode()
def answer(text):
    logits = model(**tokenizer(text, return_tensors="pt")).logits[0].float()
    apart = model.config.problem_type == "multi_label_classification" or model.config.num_labels == 1
    chances = logits.sigmoid() if apart else logits.softmax(-1)
    return model.config.id2label[int(chances.argmax())]
"""

ZERO_SHOT = f"""
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

{_loaded("AutoModelForSequenceClassification")}
names = [model.config.id2label[number].lower() for number in range(model.config.num_labels)]
yes = next(number for number, name in enumerate(names) if name.startswith("entail"))
no = next(
    (n for n, name in enumerate(names) if name.startswith(("contra", "not_entail", "not entail"))),
    len(names) - 1 if yes == 0 else 0,
)


@torch.inference_mode()
def answer(text):
    # does the text entail "This example is ..."? One pass for each label
    pairs = [tokenizer(text, HYPOTHESIS.format(label), return_tensors="pt") for label in LABELS]
    logits = torch.cat([model(**pair).logits.float() for pair in pairs])
    if SEVERAL or len(LABELS) == 1:
        chances = logits[:, [no, yes]].softmax(-1)[:, 1]
    else:
        chances = logits[:, yes].softmax(-1)
    return LABELS[int(chances.argmax())] if float(chances.max()) >= THRESHOLD else ""
"""

ENTITIES = f"""
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

{_loaded("AutoModelForTokenClassification")}


@torch.inference_mode()
def answer(text):
    tokens = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, return_tensors="pt")
    offsets = tokens.pop("offset_mapping")[0].tolist()
    special = tokens.pop("special_tokens_mask")[0].tolist()
    scores, numbers = model(**tokens).logits[0].float().softmax(-1).max(-1)
    groups = []  # neighbours of one kind, unless the second begins a new one (B-)
    for (start, end), skipped, score, number in zip(offsets, special, scores.tolist(), numbers.tolist()):
        if skipped:
            continue
        label = model.config.id2label[number]
        kind = label[2:] if label[:2] in ("B-", "I-") else label
        if groups and groups[-1]["kind"] == kind and not label.startswith("B-"):
            groups[-1]["end"] = end
            groups[-1]["scores"].append(score)
        else:
            groups.append({{"kind": kind, "start": start, "end": end, "scores": [score]}})
    spans = []
    for group in groups:
        words = text[group["start"] : group["end"]]
        start = group["end"] - len(words.lstrip()) if words.strip() else group["start"]
        end = group["start"] + len(words.rstrip()) if words.strip() else group["end"]
        score = sum(group["scores"]) / len(group["scores"])
        wanted = not LABELS or group["kind"].casefold() in [label.casefold() for label in LABELS]
        if group["kind"] != "O" and wanted and score >= THRESHOLD:
            spans.append({{"start": start, "end": end, "label": group["kind"], "score": score, "text": text[start:end]}})
    return spans
"""

EXTRACTION = f"""
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

{_loaded("AutoModelForQuestionAnswering")}
LONGEST_ANSWER = 15  # tokens


@torch.inference_mode()
def answer(text):
    encoded = tokenizer(QUESTION, text, return_tensors="pt")
    output = model(**encoded)
    tokens = encoded.encodings[0]
    readable = torch.tensor([part == 1 for part in encoded.sequence_ids(0)])
    if tokenizer.cls_token_id is not None:
        readable |= encoded["input_ids"][0] == tokenizer.cls_token_id
    logits = torch.stack([output.start_logits[0], output.end_logits[0]]).float()
    starts, ends = logits.masked_fill(~readable, -10000.0).softmax(-1)
    nothing = float(starts[0] * ends[0])  # the first token stands for: no answer
    starts[0] = ends[0] = 0.0
    pairs = torch.outer(starts, ends).triu().tril(LONGEST_ANSWER - 1).flatten()
    answers = {{}}  # places that read the same count together
    for score, place in zip(*(values.tolist() for values in pairs.topk(min(len(pairs), 2 * TOP + 10)))):
        first, last = divmod(place, len(starts))
        if not (readable[first] and readable[last]):
            continue
        words = tokens.token_to_word(first), tokens.token_to_word(last)
        bounds = [None if word is None else tokens.word_to_chars(word, 1) for word in words]
        start = bounds[0][0] if None not in bounds else tokens.offsets[first][0]
        end = bounds[1][1] if None not in bounds else tokens.offsets[last][1]
        read, total = answers.get(text[start:end].lower(), (text[start:end], 0.0))
        answers[text[start:end].lower()] = read, total + score
    best, score = max(answers.values(), key=lambda one: one[1], default=("", 0.0))
    return "" if nothing > score or score < THRESHOLD else best
"""

FILL_MASK = f"""
import re

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

{_loaded("AutoModelForMaskedLM")}


@torch.inference_mode()
def answer(text):
    text = re.sub(r"\\{{mask\\}}|\\[MASK\\]|<mask>", lambda _: tokenizer.mask_token, text)
    tokens = tokenizer(text, return_tensors="pt")
    place = tokens["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    chances = model(**tokens).logits[0, place].float().softmax(-1)
    return tokenizer.decode([int(chances.argmax())]).strip()
"""

EMBEDDING = f"""
import torch
from pathlib import Path
from transformers import AutoModel, AutoTokenizer
from transformers.utils import cached_file

{_loaded("AutoModel")}


def stated(name, default):
    file = cached_file(MODEL, name, revision=REVISION, _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(file).read_text()) if file else default


# how the checkpoint says that one vector is made of those of its tokens
modules = stated("modules.json", [])
pooling = stated("1_Pooling/config.json", {{"pooling_mode_mean_tokens": True}})
normalized = any(module["type"].endswith("Normalize") for module in modules)
sizes = stated("sentence_bert_config.json", {{}})
prompts = stated("config_sentence_transformers.json", {{}})
prompt = (prompts.get("prompts") or {{}}).get(prompts.get("default_prompt_name") or "") or ""


@torch.inference_mode()
def vector(text):
    text = prompt + (text.lower() if sizes.get("do_lower_case") else text)
    tokens = tokenizer(text, return_tensors="pt")
    states = model(**tokens).last_hidden_state[0].float()
    if pooling.get("pooling_mode_cls_token"):
        pooled = states[0]
    elif pooling.get("pooling_mode_lasttoken"):
        pooled = states[-1]
    elif pooling.get("pooling_mode_max_tokens"):
        pooled = states.amax(0)
    elif pooling.get("pooling_mode_mean_tokens"):
        pooled = states.mean(0)
    else:
        sys.exit(f"{{MODEL}} pools its tokens in another way: {{pooling}}")
    return torch.nn.functional.normalize(pooled, dim=-1) if normalized else pooled
"""

TEXT = {
    "classification": CLASSIFICATION,
    "zero_shot": ZERO_SHOT,
    "entities": ENTITIES,
    "extraction": EXTRACTION,
    "fill_mask": FILL_MASK,
    "embeddings": EMBEDDING + "\n\ndef answer(text):\n    return vector(text).tolist()\n",
    "similarity": EMBEDDING
    + "\n\ndef answer(pair):\n    cosine = torch.nn.functional.cosine_similarity(*map(vector, pair), dim=0)\n"
    '    return f"{float(cosine):.6f}"\n',
}
