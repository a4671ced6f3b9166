"""Whether a model fits: arithmetic against real headers and real classes, names of GPUs, and every answer with its inputs."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llms.cli.main import cli
from llms.cli.sizes import Bytes
from llms.errors import ModelError, UnknownName, UsageError
from llms.models.footprint import FAMILIES, WIDTHS, kv_cache_bytes, read_shape, weight_bytes
from llms.models.gpus import GPUS, gpu_named
from llms.models.headers import gguf_config, safetensors_bytes
from llms.models.local import embedded
from llms.store.memory_use import MemoryUse
from llms.workbench.fit import fit, measure

LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096,
    "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "max_position_embeddings": 4096, "tie_word_embeddings": False, "torch_dtype": "float16", "rms_norm_eps": 1e-5,
}  # fmt: skip
MISTRAL_7B = {
    **LLAMA_2_7B, "architectures": ["MistralForCausalLM"], "model_type": "mistral", "intermediate_size": 14336,
    "num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
}  # fmt: skip
SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 100,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
SIZES_OF = {
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 100, "n_positions": 50, "bos_token_id": 0, "eos_token_id": 0},
    "mixtral": {**SIZES, "num_local_experts": 4},
    "qwen3_moe": {**SIZES, "num_experts": 4, "moe_intermediate_size": 32, "decoder_sparse_step": 2},
    "gemma2": {**SIZES, "head_dim": 32},
    "gemma3_text": {**SIZES, "head_dim": 32},
}  # fmt: skip


def tensors(config: dict) -> dict[str, list[int]]:
    """The shapes of a Llama's tensors, by their names in a checkpoint."""
    hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    stored = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "lm_head.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}  # fmt: skip
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.self_attn.{name}_proj.weight": [rows, hidden] for name, rows in (("q", hidden), ("k", stored), ("v", stored), ("o", hidden))}  # fmt: skip
        shapes |= {f"{at}.mlp.{name}_proj.weight": [inner, hidden] for name in ("gate", "up")}
        shapes |= {f"{at}.mlp.down_proj.weight": [hidden, inner]}
        shapes |= {f"{at}.{name}_layernorm.weight": [hidden] for name in ("input", "post_attention")}
    return shapes


def checkpoint(folder: Path, config: dict, dtype: str, shards: int = 2) -> int:
    """Write a checkpoint whose headers are real and whose data is a hole; the bytes of its tensors."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    everything, width, total = list(tensors(config).items()), {"F16": 2, "BF16": 2, "F32": 4}[dtype], 0
    for shard in range(shards):
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in everything[shard::shards]:
            size = width * shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        text = json.dumps(header).encode()
        with (folder / f"model-{shard + 1:05}-of-{shards:05}.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + offset)
        total += offset
    return total


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "dtype", "named"), [(LLAMA_2_7B, "F16", "float16"), (MISTRAL_7B, "BF16", "bfloat16")]
)
def test_weights_of_a_7b_configuration_are_the_bytes_of_its_header(home, config, dtype, named):
    total = checkpoint(home / "m", config, dtype)
    assert weight_bytes(read_shape(config), named) == total
    files = sorted((home / "m").glob("*.safetensors"))
    assert safetensors_bytes(files).bytes == total
    assert fit(f"hf:{home}/m?dtype={named}").weights_bytes == total
    for path in files:
        path.unlink()
    (home / "m" / "pytorch_model.bin").write_bytes(b"")  # without a header, from the configuration alone
    assert fit(f"hf:{home}/m?dtype={named}").weights_bytes == total


def test_the_library_of_the_format_reads_the_same_header(home):
    safetensors = pytest.importorskip("safetensors")
    checkpoint(home / "m", {**LLAMA_2_7B, "num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 50}, "F16", 1)  # fmt: skip
    with safetensors.safe_open(next((home / "m").glob("*.safetensors")), framework="np") as file:
        slices = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    numbers = sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in slices.values())
    assert numbers == safetensors_bytes(list((home / "m").glob("*.safetensors"))).numbers


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(FAMILIES))
def test_parameters_are_those_of_transformers_class(kind):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(kind, **SIZES_OF.get(kind, SIZES))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    shape = read_shape({**config.to_dict(), "model_type": kind})
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert read_shape({"model_type": kind, **SIZES_OF.get(kind, SIZES)}).parameters == shape.parameters  # by default
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if m is not head and (type(m) is torch.nn.Linear or type(m).__name__ == "Conv1D")]  # fmt: skip
    assert shape.linear == sum(layer.weight.numel() for layer in linear)
    assert shape.outputs == sum(layer.nf if hasattr(layer, "nf") else layer.out_features for layer in linear)


@given(
    layers=st.integers(1, 8), heads=st.integers(1, 8), groups=st.integers(1, 8), width=st.sampled_from([8, 64]),
    context=st.integers(1, 10_000), batch=st.integers(1, 64), window=st.none() | st.integers(1, 10_000),
)  # fmt: skip
def test_the_kv_cache_is_two_vectors_a_kv_head_a_layer_a_token(layers, heads, groups, width, context, batch, window):
    config = {
        **SIZES, "model_type": "mistral", "num_hidden_layers": layers, "num_attention_heads": heads * groups,
        "num_key_value_heads": heads, "head_dim": width, "sliding_window": window,
    }  # fmt: skip
    shape = read_shape(config)
    whole = 2 * layers * heads * width * context * batch * 2
    assert kv_cache_bytes(shape, "bfloat16", context, batch) == whole  # the engine keeps what a window hides
    assert kv_cache_bytes(shape, "bfloat16", context, batch, rolling=True) == whole // context * min(context, window or context)  # fmt: skip
    assert 2 * kv_cache_bytes(shape, "bfloat16", context, batch) == kv_cache_bytes(shape, "float32", context, batch)


@given(dtype=st.sampled_from(["float32", "bfloat16"]))
def test_fewer_bits_take_fewer_bytes(dtype):
    shape = read_shape(LLAMA_2_7B)
    sizes = [weight_bytes(shape, dtype, method) for method in ("nf4", "int8", "")]
    assert sizes == sorted(sizes)
    assert sizes[1] - (shape.parameters - shape.linear) * WIDTHS[dtype] == shape.linear + 4 * shape.outputs


def test_a_7b_model_is_judged_by_the_gpu_that_is_named(home):
    checkpoint(home / "m", MISTRAL_7B, "BF16")
    large, small = fit(f"hf:{home}/m", gpu="RTX 4090"), fit(f"hf:{home}/m", gpu="nvidia geforce rtx-3060")
    assert (large.fits, small.fits) == (True, False)
    assert (large.where, small.where) == ("RTX 4090", "RTX 3060")
    assert large.inputs["bandwidth, bytes/s"] == 1008 * 10**9
    assert large.tokens_per_second == pytest.approx(1008e9 / (large.weights_bytes + large.kv_bytes))
    wide = fit(f"hf:{home}/m", context=32768, batch=8, gpu="RTX 4090")
    assert wide.kv_bytes == 64 * large.kv_bytes
    assert wide.fits is False


def test_more_tokens_than_the_window_holds_do_not_fit_whatever_the_memory(home):
    checkpoint(home / "m", MISTRAL_7B, "BF16")
    answer = fit(f"hf:{home}/m", context=32769, memory_bytes=10**12)
    assert (answer.fits, answer.window_tokens, answer.context_tokens) == (False, 32768, 32769)
    assert fit(f"hf:{home}/m", context=32768, memory_bytes=10**12).fits is True
    words = ["models", "fit", f"hf:{home}/m", "--memory", "999GB", "--context", "40000"]
    told = CliRunner().invoke(cli, words).stdout
    assert "does not fit: its window is 32,768 tokens, and --context asks for 40,000." in told
    with pytest.raises(UsageError, match="32,768 tokens"):
        measure(f"hf:{home}/m", context=32769)


def test_where_nobody_says_how_many_tokens_the_window_of_a_small_model_is_taken(home):
    checkpoint(home / "m", LLAMA_2_7B | {"max_position_embeddings": 512}, "F16")
    assert fit(f"hf:{home}/m").kv_bytes == fit(f"hf:{home}/m", context=512).kv_bytes
    unstated = {name: value for name, value in LLAMA_2_7B.items() if name != "max_position_embeddings"}
    checkpoint(home / "n", unstated, "F16")
    answer = fit(f"hf:{home}/n", context=100_000, memory_bytes=10**12)
    assert (answer.window_tokens, answer.fits) == (None, True)
    assert fit(f"hf:{home}/n").context_tokens == 4096


def test_an_estimate_shows_what_it_was_made_of_and_how_to_verify_it(home):
    checkpoint(home / "m", LLAMA_2_7B, "F16")
    answer = fit(f"hf:{home}/m?dtype=float16", context=2048, batch=2)
    parts = [value for name, value in answer.inputs.items() if name.endswith(", bytes")]
    assert sum(parts) == answer.overhead_bytes
    assert answer.inputs["parameters"] == 6_738_415_616
    assert answer.inputs["context"] == 2048
    assert answer.verify == f"llms models fit 'hf:{home}/m?dtype=float16' --context 2048 --batch 2 --measure"
    assert answer.needs_bytes == answer.weights_bytes + answer.kv_bytes + answer.overhead_bytes
    assert fit(f"hf:{home}/m?dtype=float16", memory_bytes=8 * 10**9).fits is False


def test_pages_that_the_system_can_drop_are_no_reason_against(home):
    checkpoint(home / "m", LLAMA_2_7B, "F32")
    answer = fit(f"hf:{home}/m")
    hard = answer.needs_bytes - answer.reclaimable_bytes
    assert answer.reclaimable_bytes > 0
    assert fit(f"hf:{home}/m", memory_bytes=hard).fits is True
    assert fit(f"hf:{home}/m", memory_bytes=hard - 1).fits is False


def test_a_model_behind_an_endpoint_takes_nothing_here(home):
    answer = fit("openai:gpt-5-mini", gpu="T4")
    assert (answer.local, answer.fits, answer.licence, answer.needs_bytes) == (False, True, None, 0)


def test_a_team_and_an_agent_take_as_much_as_their_model(home):
    checkpoint(home / "m", LLAMA_2_7B, "F16")
    alone = fit(f"hf:{home}/m")
    assert fit(f"hf:{home}/m?tools=calculator").needs_bytes == alone.needs_bytes
    assert fit(f"team:panel?model=hf:{home}/m").needs_bytes == alone.needs_bytes


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"model_type": "mamba", "hidden_size": 8}, "mamba"),
        ({k: v for k, v in LLAMA_2_7B.items() if k != "intermediate_size"}, "intermediate_size"),
        ({k: v for k, v in LLAMA_2_7B.items() if k != "num_hidden_layers"}, "num_hidden_layers"),
        ({"model_type": 7}, "7"),
    ],
)
def test_an_unknown_configuration_says_what_is_missing(home, config, missing):
    checkpoint(home / "m", LLAMA_2_7B, "F16")
    (home / "m" / "config.json").write_text(json.dumps(config))
    answer = fit(f"hf:{home}/m?dtype=float16")
    assert missing in answer.problem
    assert answer.fits is None
    assert answer.weights_bytes is not None  # which the headers say


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, struct.pack("<Q", 1 << 60), struct.pack("<Q", 4) + b"nul!", struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 11) + b'{"a": null}'])  # fmt: skip
def test_a_file_that_is_no_safetensors_is_a_problem_not_a_crash(home, content):
    checkpoint(home / "m", LLAMA_2_7B, "F16", 1)
    next((home / "m").glob("*.safetensors")).write_bytes(content)
    assert "safetensors header" in fit(f"hf:{home}/m").problem


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62), b"GGML1234"])  # fmt: skip
def test_a_file_that_is_no_gguf_is_a_problem_not_a_crash(home, content):
    (home / "m.gguf").write_bytes(content)
    with pytest.raises(ModelError, match="GGUF"):
        gguf_config(home / "m.gguf")
    assert "GGUF" in fit(f"gguf:{home}/m.gguf").problem


def test_an_unknown_gpu_offers_the_nearest():
    with pytest.raises(UnknownName, match="RTX 4090"):
        gpu_named("RTX 409")
    with pytest.raises(UnknownName, match="A100 80GB or A100 40GB"):
        gpu_named("A100")
    with pytest.raises(UnknownName):
        fit("openai:gpt-5-mini", gpu="none of them")


def test_the_command_prints_one_object_and_refuses_an_unknown_gpu(home):
    checkpoint(home / "m", LLAMA_2_7B, "F16")
    words = ["models", "fit", f"hf:{home}/m?dtype=float16", "--json"]
    (line,) = CliRunner().invoke(cli, [*words, "--gpu", "RTX 4090", "--context", "512"]).stdout.splitlines()
    assert json.loads(line) == fit(words[2], 512, gpu="RTX 4090").to_json()
    assert json.loads(line)["weights_bytes"] == 2 * 6_738_415_616
    command = [sys.executable, "-m", "llms", *words, "--gpu", "RTX 409"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "unknown GPU 'RTX 409'" in refused.stderr
    assert "RTX 4090" in refused.stderr


@pytest.mark.parametrize("name", list(GPUS))
def test_a_gpu_is_known_by_any_spelling(name):
    assert gpu_named(f"NVIDIA GeForce {name.lower().replace(' ', '-')}") is GPUS[name]


@pytest.mark.parametrize("sizes", [{"context": 0}, {"batch": 0}, {"memory_bytes": 0}, {"memory_bytes": -1}])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(UsageError, match="-1|0"):
        fit("openai:gpt-5-mini", **sizes)


def test_what_was_measured_counts_for_these_weights_alone(home):
    checkpoint(home / "m", LLAMA_2_7B | {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 50}, "F16", 1)  # fmt: skip
    from llms import settings
    from llms.models.name import parse
    from llms.models.weights import weight_facts
    from llms.workbench import machine

    name = f"hf:{home}/m"
    with MemoryUse(settings.database()) as store:
        store.keep(name, weight_facts(parse(name)).digest, machine.processor(), 4096, 1, 123_456)
    assert fit(name).measured_bytes == 123_456
    assert fit(name, batch=2).measured_bytes is None
    with next((home / "m").glob("*.safetensors")).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x07")
    assert fit(name).measured_bytes is None


def test_what_was_measured_counts_where_the_weights_came_with_measuring(home, monkeypatch):
    small = LLAMA_2_7B | {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 50}

    def converts_it(system, context, batch):
        embedded.folder().parent.mkdir(parents=True)
        checkpoint(embedded.folder(), small, "F16", 1)
        return 123_456

    monkeypatch.setattr("llms.workbench.fit.measure_memory", converts_it)
    assert measure("smollm2") == 123_456
    assert fit("smollm2", context=4096).measured_bytes == 123_456


def test_a_window_or_batch_beyond_all_sense_is_refused():
    with pytest.raises(UsageError, match="a batch of requests"):
        fit("smollm2", batch=10**21)


@pytest.mark.parametrize(("text", "count"), [("8GB", 8 * 10**9), ("1.5 gib", 3 << 29), ("2TiB", 2 << 40), ("7", 7)])
def test_a_size_is_read_in_any_unit(text, count):
    assert Bytes().convert(text, None, None) == count
