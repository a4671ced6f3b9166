"""All benchmarks by name."""

from ..errors import UnknownName, UsageError
from .arc import ARC_CHALLENGE, ARC_EASY
from .bbh import BBH, BBH_COT
from .benchmark import Benchmark, View
from .drop import DROP
from .gpqa import GPQA, GPQA_DIAMOND, GPQA_EXTENDED, GPQA_MAIN
from .gsm8k import GSM8K
from .hellaswag import HELLASWAG
from .humaneval import HUMANEVAL
from .ifeval import IFEVAL
from .math_hard import MATH_HARD
from .mmlu import MMLU
from .mmlu_pro import MMLU_PRO, MMLU_PRO_COT
from .multipl_e import MULTIPL_E
from .musr import MUSR
from .truthfulqa import TRUTHFULQA_GEN, TRUTHFULQA_MC1, TRUTHFULQA_MC2
from .twin import SUFFIX, twin
from .winogrande import WINOGRANDE

CATALOGUE: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        ARC_EASY, ARC_CHALLENGE, HELLASWAG, MMLU, TRUTHFULQA_MC1, TRUTHFULQA_MC2, TRUTHFULQA_GEN, WINOGRANDE, GSM8K, DROP,
        IFEVAL, BBH, BBH_COT, MATH_HARD, GPQA, GPQA_DIAMOND, GPQA_MAIN, GPQA_EXTENDED, MUSR, MMLU_PRO, MMLU_PRO_COT,
        HUMANEVAL, *MULTIPL_E,
    )
}  # fmt: skip


def find(name: str) -> Benchmark:
    """The benchmark of a name; `name:letter` is its generative twin. Raises UnknownName."""
    base = name.removesuffix(SUFFIX)
    if base not in CATALOGUE:
        raise UnknownName("benchmark", name, CATALOGUE)
    benchmark = CATALOGUE[base]
    if base == name:
        return benchmark
    if benchmark.kind != "choice":
        raise UsageError(f"{base} is answered by generating as it is; name it without {SUFFIX}")
    return twin(benchmark)


def find_view(benchmark: Benchmark, name: str) -> View:
    if name not in benchmark.views:
        every = {view for other in CATALOGUE.values() for view in other.views}
        if name not in every:
            raise UnknownName("view", name, every)
        raise UsageError(f"{benchmark.name} is not part of the view {name}; it has {', '.join(benchmark.views)}")
    return benchmark.views[name]
