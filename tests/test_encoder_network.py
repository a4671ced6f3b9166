"""A classifier's network without padding gives what transformers' own gives, or is not used."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import encoders
import tiny
from llms.models.name import parse
from llms.models.task_model import TaskOptions, as_inputs
from llms.tasks.catalogue import find_task
from llms.tasks.encoder import filled
from llms.tasks.encoder_network import FirstTokenNetwork, first_token_network
from llms.tasks.special import open_special

FAMILIES = ("Bert", "DistilBert", "Roberta", "XLMRoberta", "Camembert", "Electra")


@dataclass(frozen=True)
class Tokens:
    ids: list
    types: list


def drawn(family, head="ForSequenceClassification", **changes):
    """A random network in evaluation mode."""
    import transformers

    sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2} if family == "DistilBert" else encoders.SIZES
    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=90, max_position_embeddings=66, pad_token_id=1, num_labels=3, **{**sizes, **changes}
    )
    network = getattr(transformers, f"{family}{head}")(config).eval()
    tiny.draw_weights(network, 0.3)
    return network


@pytest.fixture(scope="module")
def both():
    """(network, its fast form) of each family."""
    networks = {}

    def make(family):
        if family not in networks:
            network = drawn(family)
            networks[family] = network, first_token_network(network)
        return networks[family]

    return make


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 64), min_size=1, max_size=12), together=st.integers(1, 200), seed=st.integers(0, 99)
)
def test_logits_are_those_of_the_network_row_by_row(both, family, lengths, together, seed):
    network, fast = both(family)
    assert fast is not None
    draw = torch.Generator().manual_seed(seed)
    rows = [
        Tokens(torch.randint(2, 90, (n,), generator=draw).tolist(), [0] * (n // 2) + [1] * (n - n // 2))
        for n in lengths
    ]
    if network.config.model_type != "bert":
        rows = [Tokens(row.ids, [0] * len(row.ids)) for row in rows]
    logits = fast.logits(rows, together)
    with torch.inference_mode():
        for row, one in zip(rows, logits, strict=True):
            named = {"token_type_ids": torch.tensor([row.types])} if network.config.model_type == "bert" else {}
            assert one.tolist() == pytest.approx(network(torch.tensor([row.ids]), **named).logits[0].tolist(), abs=1e-4)


def test_a_network_that_computes_otherwise_is_left_alone():
    network = drawn("Bert")
    network.classifier.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1e-2,))
    assert first_token_network(network) is not None  # the head is the network's own
    network.bert.encoder.layer[0].register_forward_hook(lambda module, inputs, output: output + 1e-2)
    assert first_token_network(network) is None
    assert first_token_network(drawn("Bert", is_decoder=True)) is None
    assert first_token_network(drawn("Bert").to(torch.bfloat16)) is None
    assert first_token_network(drawn("Bert", "ForTokenClassification")) is None


def test_joining_weights_leaves_the_network_as_it_was():
    network, ids = drawn("Bert"), torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        before = network(ids).logits
        FirstTokenNetwork(network)
        assert torch.equal(network(ids).logits, before)


def test_rows_that_hold_a_token_for_padding_or_give_no_number_are_for_the_network(both):
    _, fast = both("Roberta")
    assert fast.logits([Tokens([5, 1, 6], [])]) is None
    network = drawn("Bert")
    fast = first_token_network(network)
    with torch.no_grad():
        network.bert.embeddings.word_embeddings.weight[7] = torch.nan
    assert fast.logits([Tokens([5, 6], [0, 0])]) is not None
    assert fast.logits([Tokens([5, 6], [0, 0]), Tokens([5, 7], [0, 0])]) is None


@pytest.mark.parametrize("family", ["Roberta", "Electra"])
def test_classification_by_other_families_is_that_of_the_pipeline(tmp_path, family):
    folder = encoders.save_encoder(tmp_path, "ForSequenceClassification", ("bad", "so-so", "good"), family=family)
    texts = encoders.texts(20, 18)
    expected = encoders.pipeline("text-classification", folder, top_k=None)(texts)
    model = open_special(find_task("classification"), parse(f"hf:{folder}?device=cpu"), TaskOptions())
    for index, result in model.answer(as_inputs(texts)):
        assert [one.label for one in result.scores] == [one["label"] for one in expected[index]]
        assert [one.score for one in result.scores] == pytest.approx(
            [one["score"] for one in expected[index]], abs=1e-5
        )
    model.close()


@given(lengths=st.lists(st.integers(1, 50), max_size=30), budget=st.integers(1, 100))
def test_batches_hold_all_rows_in_order_and_no_more_tokens_than_allowed(lengths, budget):
    batches = list(filled(range(len(lengths)), lengths, budget))
    assert [number for batch in batches for number in batch] == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[n] for n in batch) <= budget for batch in batches)
    assert all(sum(lengths[n] for n in [*one, two[0]]) > budget for one, two in pairwise(batches))
