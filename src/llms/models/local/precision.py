"""The numbers in which a checkpoint is held and computed: as asked, as it states, as this machine can."""

from dataclasses import dataclass
from importlib.util import find_spec

from ...errors import MissingExtra, ModelError, UsageError
from ...values import JsonObject


@dataclass(frozen=True)
class Precision:
    """`dtype` is what is computed in, `quantize` the method asked for (or ""), `stored` the checkpoint's own
    quantization_config (or empty)."""

    name: str
    dtype: str
    device: str
    quantize: str
    stored: JsonObject

    @property
    def method(self) -> str:
        """How the weights are held, as it stands in a run's identity; empty if in `dtype`."""
        if not self.stored:
            return self.quantize
        kind = str(self.stored.get("bnb_4bit_quant_type") or "") if self.stored.get("load_in_4bit") else ""
        kind = kind or ("int8" if self.stored.get("load_in_8bit") else "")
        return " ".join(filter(None, (f"stored by {self.stored.get('quant_method', 'an unknown method')}", kind)))

    @property
    def _bitsandbytes(self) -> bool:
        return self.quantize == "nf4" or self.stored.get("quant_method") == "bitsandbytes"

    def check(self) -> None:
        """Raise UsageError, MissingExtra or ModelError for what cannot work, before anything is loaded."""
        if self.quantize and self.stored:
            raise UsageError(f"{self.name}: the checkpoint is quantized already ({self.method}); leave quantize= out")
        if self._bitsandbytes and find_spec("bitsandbytes") is None:
            raise MissingExtra("bitsandbytes", f"{self.name} with {self.method}", "local")
        if self.device != "cpu":
            return
        if (self.quantize or self.stored) and self.dtype == "float16":
            raise UsageError(f"{self.name}: on a processor {self.quantize or 'this'} computes in float32 or bfloat16")
        if self.stored and not self._bitsandbytes:
            raise ModelError(
                f"{self.name} is {self.method}, which needs a GPU; on a processor take the checkpoint that it was made "
                "of, with quantize=int8 or quantize=nf4, or a GGUF file of it"
            )

    @property
    def note(self) -> str | None:
        """Said once to the user when this machine does what is asked, but badly."""
        if self.device != "cpu":
            return None
        if self.dtype == "float16":
            return f"{self.name}: processors read prompts in float16 several times slower; bfloat16 is as small"
        if self.stored.get("load_in_8bit"):
            return f"{self.name}: on a processor 8 bits by bitsandbytes are slower than float32, and answers depend on what is computed beside them"
        if self._bitsandbytes and not _avx512():
            return (
                f"{self.name}: without AVX-512 four bits save memory and cost time; quantize=int8 or gguf: are faster"
            )
        return None


def _avx512() -> bool:
    import torch

    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")
