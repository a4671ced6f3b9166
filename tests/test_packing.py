"""Packed rows are computed as if each stood alone: losses and gradients, with and without prefixes in common."""

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from llms.models.local import embedded
from llms.training.collate import pack, pad
from llms.training.encoded import EncodedPair, EncodedRow
from llms.training.feed import as_rows
from llms.training.head import CHUNK, TokenLosses, install_head
from llms.training.lean import make_lean
from llms.training.passes import MASKED, OWN, PADDED, SPANS, choose_way, relative
from tiny import VOCABULARY, build

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of what PEFT asks for
tokens = st.integers(0, VOCABULARY - 1)


def network(family: str):
    model = build(family)
    install_head(model)
    return model


MODELS = {family: network(family) for family in ("llama", "qwen3", "gpt_neox")}


@st.composite
def some_rows(draw) -> list[EncodedRow]:
    """One to six rows; some begin with the same prefix, some with one that begins like it, some with none."""
    prefixes = [draw(st.lists(tokens, min_size=1, max_size=20)) for _ in range(2)]
    prefixes += [prefixes[0][:-1], []]
    rows = []
    for number in range(draw(st.integers(1, 6))):
        prefix = draw(st.sampled_from(prefixes))
        own = draw(st.lists(tokens, min_size=1, max_size=30))
        trained = draw(st.lists(st.integers(0, 1), min_size=len(own), max_size=len(own)))
        rows.append(EncodedRow((*prefix, *own), (0,) * len(prefix) + tuple(trained), len(prefix), f"row {number}"))
    return rows


def computed(model, way, rows) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """(losses of the trained tokens, row by row; the gradients of their sum)."""
    model.set_attn_implementation(way.attention or "sdpa")
    batch = way.collate(rows)
    losses = way.losses(model, batch)
    model.zero_grad()
    losses.sum().backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    return losses.detach()[torch.argsort(batch.owners, stable=True)], gradients


def alone(model, rows) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The same by the model as it comes, one row at a time, without a head of ours."""
    model.set_attn_implementation("sdpa")
    model.zero_grad()
    losses = []
    for row in rows:
        logits = model(torch.tensor([row.ids])).logits[0, :-1]
        every = torch.nn.functional.cross_entropy(logits, torch.tensor(row.ids[1:], dtype=torch.long), reduction="none")
        losses.append(every[torch.tensor(row.trained[1:], dtype=torch.bool)])
    torch.cat(losses).sum().backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    return torch.cat(losses).detach(), gradients


@pytest.mark.parametrize("way", [SPANS, MASKED, PADDED, OWN], ids=lambda way: way.name)
@pytest.mark.parametrize("family", MODELS)
@given(rows=some_rows())
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
def test_a_batch_is_computed_as_its_rows_alone(way, family, rows):
    model = MODELS[family]
    if not any(trained for row in rows for trained in row.trained[1:]):
        return
    losses, gradients = computed(model, way, rows)
    expected, expected_gradients = alone(model, rows)
    assert losses.shape == expected.shape
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in expected_gradients.items():  # one that is nearly nothing is what is left of differences
        assert (gradients[name] - gradient).norm() <= 1e-5 * (1 + gradient.norm()), name


def test_a_prefix_in_common_is_computed_once():
    prefix = tuple(range(50))
    rows = [EncodedRow((*prefix, 60 + n, 70, 71), (0,) * 51 + (1, 1), 50, "") for n in range(4)]
    assert pack(rows).input_ids.shape == (1, 50 + 4 * 3)
    assert pad(rows).input_ids.shape == (4, 53)
    assert pack(rows).tokens == pad(rows).tokens == 4 * 53


def test_the_first_token_of_a_row_is_never_a_target():
    row = EncodedRow((5, 6, 7), (1, 1, 1), 0, "")
    for batch in (pack([row]), pad([row])):
        assert batch.targets.tolist() == [6, 7]
        assert batch.predicting.tolist() == [0, 1]


def test_a_pass_without_rows_has_a_loss_of_zero_and_no_gradient():
    model = MODELS["llama"]
    for way in (SPANS, PADDED):
        model.set_attn_implementation(way.attention or "sdpa")
        total = way.losses(model, way.collate([])).sum()
        model.zero_grad()
        total.backward()
        assert total.item() == 0
        assert all(one.grad is None or not one.grad.any() for one in model.parameters())


def test_an_answer_of_one_token_is_predicted_by_the_last_of_its_prompt():
    pair = EncodedPair((3, 4, 5), (9,), (8, 7), "pairs.jsonl, row 1")
    batch = pack(as_rows(pair))
    assert batch.targets.tolist() == [9, 8, 7]
    assert batch.owners.tolist() == [0, 1, 1]
    losses, _ = computed(MODELS["llama"], SPANS, as_rows(pair))
    expected, _ = alone(MODELS["llama"], as_rows(pair))
    assert relative(losses, expected) < 1e-5


@pytest.mark.parametrize(
    ("family", "expected"), [("llama", SPANS), ("mistral", PADDED), ("gpt2", SPANS), ("mamba", PADDED)]
)
def test_packing_is_given_up_where_a_network_computes_something_else_packed(family, expected):
    model = build(family)
    shared = tuple(range(30))
    rows = [EncodedRow((*shared, *range(40 + n, 60 + n)), (0,) * 40 + (1,) * 10, 30, "") for n in range(4)]
    before = torch.random.get_rng_state()
    way, reasons = choose_way(model, model, rows, packing=True)
    assert way is expected, reasons
    assert bool(reasons) == (expected is not SPANS)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_second_factors_of_an_adapter_take_part_in_the_proof_and_are_zero_again():
    model = build("llama")
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    rows = [EncodedRow(tuple(range(n, 40 + n)), (0,) * 20 + (1,) * 20, 0, "") for n in range(3)]
    way, reasons = choose_way(adapted, model, rows, packing=True)
    assert way is SPANS, reasons
    assert all(not one.any() for name, one in adapted.named_parameters() if "lora_B" in name)
    assert all(one.grad is None for one in adapted.parameters())


@pytest.mark.slow
def test_short_chats_that_are_much_alike_are_packed_too(embedded_home, monkeypatch):
    """By rounding alone their gradients are further apart than those of rows with nothing in common."""
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    folder = embedded.checkpoint()
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    adapted = get_peft_model(
        network, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    asked = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n"
    texts = [
        f"{asked}Order {n}: where is it?<|im_end|>\n<|im_start|>assistant\nORDER {n}: on its way.<|im_end|>"
        for n in range(1, 5)
    ]
    encoded = AutoTokenizer.from_pretrained(folder)(texts)["input_ids"]
    way, reasons = choose_way(
        adapted, network, [EncodedRow(tuple(ids), (1,) * len(ids), 0, "") for ids in encoded], True
    )
    assert way is SPANS, reasons


def test_the_head_is_cross_entropy_over_several_chunks():
    draw = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        torch.randn(*shape, generator=draw, requires_grad=True) for shape in ((2 * CHUNK + 3, 16), (40, 16), (40,))
    )
    targets = torch.randint(40, (len(hidden),), generator=draw)
    factors = torch.randn(len(hidden), generator=draw)
    expected = torch.nn.functional.cross_entropy(hidden @ weight.T + bias, targets, reduction="none")
    actual = TokenLosses.apply(hidden, weight, bias, targets)
    torch.testing.assert_close(actual, expected)
    for one, other in zip(
        torch.autograd.grad((actual * factors).sum(), (hidden, weight, bias)),
        torch.autograd.grad((expected * factors).sum(), (hidden, weight, bias)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("adapter", [True, False])
@pytest.mark.parametrize("family", ["llama", "qwen3", "phi3"])
def test_lean_layers_have_the_losses_and_gradients_of_those_they_replace(family, adapter):
    base = build(family)
    install_head(base)
    model = base
    if adapter:
        model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
        for name, one in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(one, std=0.1)
    base.set_attn_implementation(SPANS.attention)
    rows = [EncodedRow(tuple(range(n, 40 + n)), (0,) * 20 + (1,) * 20, 0, "") for n in range(3)]

    def compute() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        losses = SPANS.losses(model, pack(rows))
        losses.sum().backward()
        return losses.detach(), {name: one.grad.clone() for name, one in model.named_parameters() if one.requires_grad}

    expected, gradients = compute()
    undo = make_lean(model)
    assert any("forward" in vars(module) for module in model.modules() if module is not base)
    losses, lean_gradients = compute()
    undo()
    assert not any("forward" in vars(module) for module in model.modules() if module is not base)
    assert relative(losses, expected) < 1e-5
    for name, gradient in gradients.items():
        assert relative(lean_gradients[name], gradient) < 1e-5, name


def test_a_network_without_its_adapter_is_the_base_model_under_lean_layers():
    base = build("llama")
    ids = torch.arange(20)[None]
    expected = base(ids).logits.detach()
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, one in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(one, std=0.1)
    make_lean(model)
    assert relative(model(ids).logits, expected) > 1e-2
    with model.disable_adapter():
        assert relative(model(ids).logits, expected) < 1e-5
