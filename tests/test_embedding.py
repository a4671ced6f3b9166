"""Embeddings are what the checkpoint's own recipe makes of it, in whatever batch a text stands."""

import json

import pytest
import torch

from llms.errors import ContextOverflow, ModelError, UsageError
from llms.models.local.embedding import open_embedding
from tiny import save_embedding

TEXTS = ["hello", "a somewhat longer text", "x", "hello"]


def states(folder, text: str):
    """Token states (T, D) of one text, by transformers alone."""
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder)(input_ids=ids).last_hidden_state[0]


@pytest.mark.parametrize(
    ("pooling", "normalize"), [(None, False), ("mean_tokens", True), ("cls_token", False), ("lasttoken", True)]
)
def test_vectors_are_the_pooled_states_of_each_text_alone(tmp_path, pooling, normalize):
    folder = save_embedding(tmp_path / "m", pooling, normalize)
    model = open_embedding(f"hf:{folder}")
    made = model.embed(TEXTS)
    assert made.tokens == sum(map(len, TEXTS))
    for text, row in zip(TEXTS, made.rows, strict=True):
        alone = states(folder, text)
        wanted = {"cls_token": alone[0], "lasttoken": alone[-1]}.get(pooling, alone.mean(0))
        wanted = wanted / wanted.norm() if normalize else wanted
        assert torch.allclose(torch.tensor(row), wanted, atol=1e-5)


def test_a_text_that_is_too_long_is_refused(tmp_path):
    model = open_embedding(f"hf:{save_embedding(tmp_path / 'm', 'mean_tokens')}")
    assert model.context_window == 40
    with pytest.raises(ContextOverflow, match="input 1 is 41 tokens"):
        model.embed(["a", "b" * 41])


def test_what_makes_no_embeddings_is_refused_before_it_is_loaded(tmp_path, tiny):
    with pytest.raises(ModelError, match="LlamaForCausalLM: it generates text"):
        open_embedding(f"hf:{tiny}")
    with pytest.raises(UsageError, match="smollm2 makes no embeddings"):
        open_embedding("smollm2")
    folder = save_embedding(tmp_path / "m", "mean_tokens")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {**modules[0], "type": "x.Dense", "path": "3"}]))
    with pytest.raises(ModelError, match="the module Dense"):
        open_embedding(f"hf:{folder}")
