"""Names that others give to benchmarks, and to systems: a stated table; what it does not know keeps its own name."""

import re
from collections.abc import Collection

from ...benchmarks.catalogue import CATALOGUE
from ...models.api.endpoints import NAMED

# as they are written once letters and digits alone are left, small; each means one benchmark only
_ALSO = {
    "arc_easy": ("arce", "arceasy", "ai2arceasy", "ai2arcarceasy", "allenaiai2arcarceasy"),
    "arc_challenge": ("arcc", "arcchallenge", "ai2arcchallenge", "ai2arcarcchallenge", "arc25shot"),
    "hellaswag": ("hellaswag", "rowanhellaswag"),
    "mmlu": ("mmlu", "caismmlu", "hendryckstest", "massivemultitasklanguageunderstanding"),
    "truthfulqa_mc1": ("truthfulqamc1",),
    "truthfulqa_mc2": ("truthfulqamc2",),
    "winogrande": ("winogrande", "winograndexl", "allenaiwinogrande"),
    "gsm8k": ("gsm8k", "openaigsm8k"),
    "drop": ("drop", "ucinlpdrop", "eleutheraidrop"),
    "ifeval": ("ifeval", "googleifeval", "leaderboardifeval"),
    "bbh": ("bbh", "bigbenchhard", "leaderboardbbh"),
    "math_hard": ("mathhard", "mathlvl5", "mathlevel5", "leaderboardmathhard"),
    "gpqa_diamond": ("gpqadiamond",),
    "gpqa_main": ("gpqamain",),
    "gpqa_extended": ("gpqaextended",),
    "musr": ("musr", "leaderboardmusr", "taurlabmusr"),
    "mmlu_pro": ("mmlupro", "tigerlabmmlupro", "leaderboardmmlupro"),
    "humaneval": ("humaneval", "openaihumaneval", "openaiopenaihumaneval"),
}
NAMES = {alias: name for name, aliases in _ALSO.items() for alias in (*aliases, re.sub(r"[\W_]", "", name))}
NAMES |= {re.sub(r"[\W_]", "", name.lower()): name for name in CATALOGUE}
_PROVIDERS = {"google": "gemini"}  # owners in names of models that are reached through a provider of another name


def benchmark_name(*names: str) -> str:
    """The benchmark of this project that the first known of `names` means; the first one as it is where none is known."""
    for name in names:
        if known := NAMES.get(re.sub(r"[\W_]", "", name.lower())):
            return known
    return next(filter(None, names), "")


def is_known(name: str) -> bool:
    """Whether a name is that of a benchmark of this project."""
    return re.sub(r"[\W_]", "", name.lower()) in NAMES


def system_name(name: str, systems: Collection[str]) -> str:
    """The one of the measured `systems` that a published name means, or the name as it is.

    `owner/model` is hf:owner/model, or provider:model where the owner is a provider.
    """
    owner, slash, model = name.partition("/")
    provider = _PROVIDERS.get(owner, owner)
    candidates = [name, f"hf:{name}"] + ([f"{provider}:{model}"] if slash and provider in NAMED else [])
    return next((candidate for candidate in candidates if candidate in systems), name)
