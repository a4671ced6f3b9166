"""llama.cpp's C interface, out of xllamacpp's wheel. Knows its structures and functions; computes nothing itself.

xllamacpp links llama.cpp into one shared library, which also exports llama.h whole. We call that, not the server that
comes with it: a server listens on a port, has its own chat template and gives no log-probabilities of a prompt.
The structures below are those of one version, so exactly that version is taken.
"""

import ctypes
import platform
import sys
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_size_t, c_uint32, c_void_p
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ...errors import MissingExtra, ModelError

VERSION = "2026.10.11549"
PURPOSE = "a GGUF model"
WHEELS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))  # Windows' exports nothing of llama.h
FLAGS = {"avx2", "fma", "f16c", "bmi2"}  # of x86-64 processors, compiled in: without them the process would be killed
ERROR = 4  # ggml's level of a message that says why something failed


class ModelParams(ctypes.Structure):
    """llama_model_params"""

    _fields_ = (
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int32),
        ("load_mode", c_int32),
        ("lazy_mode", c_int32),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
    )


class ContextParams(ctypes.Structure):
    """llama_context_params"""

    _fields_ = (
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int32),
        ("rope_scaling_type", c_int32),
        ("pooling_type", c_int32),
        ("attention_type", c_int32),
        ("flash_attn_type", c_int32),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int32),
        ("type_v", c_int32),
        ("moe_cache_size", c_size_t),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
    )


class Batch(ctypes.Structure):
    """llama_batch"""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    )


LOG = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
FUNCTIONS: dict[str, tuple[type | None, ...]] = {  # name: result, arguments
    "llama_backend_init": (None,),
    "llama_log_set": (None, LOG, c_void_p),
    "llama_supports_gpu_offload": (c_bool,),
    "llama_ftype_name": (c_char_p, c_int32),
    "llama_model_default_params": (ModelParams,),
    "llama_model_load_from_file": (c_void_p, c_char_p, ModelParams),
    "llama_model_free": (None, c_void_p),
    "llama_model_ftype": (c_int32, c_void_p),
    "llama_model_meta_count": (c_int32, c_void_p),
    "llama_model_meta_key_by_index": (c_int32, c_void_p, c_int32, c_char_p, c_size_t),
    "llama_model_meta_val_str_by_index": (c_int32, c_void_p, c_int32, c_char_p, c_size_t),
    "llama_model_get_vocab": (c_void_p, c_void_p),
    "llama_vocab_n_tokens": (c_int32, c_void_p),
    "llama_vocab_bos": (c_int32, c_void_p),
    "llama_vocab_eos": (c_int32, c_void_p),
    "llama_vocab_is_eog": (c_bool, c_void_p, c_int32),
    "llama_vocab_is_control": (c_bool, c_void_p, c_int32),
    "llama_tokenize": (c_int32, c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool),
    "llama_detokenize": (c_int32, c_void_p, POINTER(c_int32), c_int32, c_char_p, c_int32, c_bool, c_bool),
    "llama_token_to_piece": (c_int32, c_void_p, c_int32, c_char_p, c_int32, c_int32, c_bool),
    "llama_adapter_lora_init": (c_void_p, c_void_p, c_char_p),
    "llama_set_adapters_lora": (c_int32, c_void_p, POINTER(c_void_p), c_size_t, POINTER(c_float)),
    "llama_context_default_params": (ContextParams,),
    "llama_init_from_model": (c_void_p, c_void_p, ContextParams),
    "llama_free": (None, c_void_p),
    "llama_get_memory": (c_void_p, c_void_p),
    "llama_memory_clear": (None, c_void_p, c_bool),
    "llama_memory_seq_rm": (c_bool, c_void_p, c_int32, c_int32, c_int32),
    "llama_batch_init": (Batch, c_int32, c_int32, c_int32),
    "llama_batch_free": (None, Batch),
    "llama_decode": (c_int32, c_void_p, Batch),
    "llama_get_logits_ith": (POINTER(c_float), c_void_p, c_int32),
}
complaints: list[str] = []  # llama.cpp's own words about its last failure


def missing() -> Exception | None:
    """Why GGUF files cannot be computed here, as the error to raise; None if they can. Loads nothing."""
    if (sys.platform, platform.machine()) not in WHEELS:
        return ModelError(
            f"{PURPOSE} needs llama.cpp, for which there is no wheel on {sys.platform} {platform.machine()}; there are "
            f"some for {', '.join(map(' '.join, WHEELS))}. Use a checkpoint instead, such as smollm2"
        )
    if find_spec("xllamacpp") is None:
        return MissingExtra("xllamacpp", PURPOSE, "local")
    if (version := metadata.version("xllamacpp")) != VERSION:
        return ModelError(
            f"{PURPOSE} needs xllamacpp {VERSION}, found {version}; run: pip install xllamacpp=={VERSION}"
        )
    if lacking := FLAGS - _flags():
        return ModelError(
            f"{PURPOSE} needs a processor with {', '.join(sorted(FLAGS))}; this one lacks {', '.join(sorted(lacking))}. "
            "Use a checkpoint instead, such as smollm2"
        )
    return None


def _flags() -> set[str]:
    """The abilities of an x86-64 processor, in Linux's words; elsewhere every wheel's processor can do what it needs."""
    if platform.machine() != "x86_64":
        return set(FLAGS)
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        return next((set(line.split()) for line in file if line.startswith("flags")), set(FLAGS))


@cache
def library() -> ctypes.CDLL:
    """llama.cpp's functions, silent; what it complains of goes to `complaints`. Raises MissingExtra or ModelError."""
    if error := missing():
        raise error
    spec = find_spec("xllamacpp")
    assert spec is not None
    assert spec.origin is not None
    path = next(Path(spec.origin).parent.glob("xllamacpp*.so"), None)
    if path is None:
        raise ModelError(f"xllamacpp in {Path(spec.origin).parent} has no shared library; install it anew")
    try:
        lib = ctypes.CDLL(str(path))
        for name, (result, *arguments) in FUNCTIONS.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ModelError(f"xllamacpp {VERSION} cannot be used: {error}; install it anew") from error
    lib.llama_log_set(_listener(), None)
    lib.llama_backend_init()
    return lib


@cache
def _listener() -> object:
    """Keeps errors for our own messages and lets nothing be printed. The cache keeps the callback alive."""

    def listen(level: int, text: bytes, _: object) -> None:
        if level == ERROR:
            complaints.append(text.decode("utf-8", "replace").strip())

    return LOG(listen)
