"""Small random models and a byte tokenizer, made in-process."""

import logging
from functools import cache
from pathlib import Path

import torch

logging.getLogger("transformers").setLevel(logging.ERROR)
torch.set_num_threads(1)
VOCABULARY = 211
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHATML = (  # which ends what each message says, as a model must learn to
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)  # with `end` <|im_end|>
# what each architecture needs besides the common sizes; a window of 24 is shorter than the prompts
FAMILIES = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": 24},
    "gemma": {},
    "gemma2": {"sliding_window": 24, "query_pre_attn_scalar": 16},
    "gemma3_text": {"sliding_window": 24, "query_pre_attn_scalar": 16},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "gpt_neox": {},
    "phi": {"num_key_value_heads": 4},
    "phi3": {},
    "opt": {"ffn_dim": 96, "word_embed_proj_dim": 64},
    "cohere": {},
    "granite": {},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 24},
    "gptj": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512, "rotary_dim": 8},
    "bloom": {"n_layer": 2, "n_head": 4},
    "mpt": {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 512},
    "mamba": {"state_size": 8},
}


def build(family: str, seed: int = 0):
    """A random float32 model whose next tokens are far from uniform."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "head_dim": 16,
        "pad_token_id": None,
        "bos_token_id": 0,
        "eos_token_id": 0,
        **FAMILIES[family],
    }
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes), dtype=torch.float32).eval()
    draw_weights(model, 0.15)
    return model


@cache
def pair(family: str):
    """(untouched model, engine over an equal one)."""
    from llms.engine import Engine

    return build(family), Engine(build(family))


@torch.inference_mode()
def score_alone(model, tokens: tuple[int, ...], scored: int) -> tuple[float, bool]:
    """(log-probability, all arg-max) of the last `scored` tokens, by the model as it comes."""
    logprobs = model(torch.tensor([tokens[:-1]])).logits[0].float().log_softmax(-1)[-scored:]
    targets = torch.tensor(tokens[-scored:])
    return logprobs[range(scored), targets].sum().item(), bool((logprobs.argmax(-1) == targets).all())


@torch.inference_mode()
def generate_alone(model, tokens: tuple[int, ...], count: int) -> list[int]:
    """Greedy continuation, everything recomputed at each token."""
    sequence = list(tokens)
    for _ in range(count):
        sequence.append(int(model(torch.tensor([sequence])).logits[0, -1].argmax()))
    return sequence[len(tokens) :]


def byte_tokenizer(end: str = "</s>"):
    """One token a byte, and <s>, </s>, the latter by the name of `end`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {symbol: index for index, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token=end)


def draw_weights(model: torch.nn.Module, spread: float) -> None:
    """Every matrix anew, so wide that its logits differ clearly; the seed is the caller's."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, spread)


def save_checkpoint(folder: Path, window: int = 2048, template: str | None = CHAT_TEMPLATE, end: str = "</s>") -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer(end)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=window,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    draw_weights(model, 0.2)
    model.save_pretrained(folder)
    return folder


def save_embedding(folder: Path, pooling: str | None = None, normalize: bool = False) -> Path:
    """A random two-layer BERT; with `pooling`, sentence-transformers' files beside it."""
    import json

    from transformers import BertConfig, BertModel

    tokenizer = byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    if pooling:
        names = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
        paths = ["", "1_Pooling", "2_Normalize"]
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (name, path) in enumerate(zip(names, paths, strict=False))
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 40, "do_lower_case": False}))
        (folder / "1_Pooling").mkdir()
        modes = {f"pooling_mode_{name}": name == pooling for name in ("cls_token", "mean_tokens", "lasttoken")}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    return folder
