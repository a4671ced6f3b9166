"""Whether an answer says who wrote it: a name of the two systems, or of their makers, ends the blindness of a battle.

A name that hardly means anything else (SmolLM2, GPT-5) counts wherever it stands, unless the question has it too; an
everyday word (Falcon, Sonnet), a maker, and what the question has count only in a sentence in which the answer speaks of
itself. FastChat drops such battles before it fits ratings.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

MAKERS: dict[str, tuple[str, ...]] = {
    "gpt": ("OpenAI", "ChatGPT"),
    "claude": ("Anthropic",),
    "gemini": ("Google", "DeepMind", "Bard"),
    "gemma": ("Google", "DeepMind"),
    "llama": ("Meta",),
    "qwen": ("Alibaba", "Tongyi"),
    "smollm": ("Hugging Face",),
    "mistral": ("Mistral AI",),
    "mixtral": ("Mistral AI",),
    "phi": ("Microsoft",),
    "grok": ("xAI",),
    "command": ("Cohere",),
    "nova": ("Amazon",),
    "granite": ("IBM",),
    "nemotron": ("NVIDIA",),
    "olmo": ("Allen Institute", "Ai2"),
    "falcon": ("Technology Innovation Institute",),
    "glm": ("Zhipu", "Z.ai"),
    "kimi": ("Moonshot",),
    "yi": ("01.AI",),
}
DISTINCT = frozenset(  # families whose name means nothing else
    [
        "gpt",
        "qwen",
        "smollm",
        "deepseek",
        "mixtral",
        "olmo",
        "nemotron",
        "chatglm",
        "internlm",
        "tinyllama",
        "stablelm",
        "minicpm",
        "baichuan",
        "bloomz",
    ]
)
_MAKES_MODELS = frozenset(
    ["openai", "anthropic", "gemini", "deepseek", "mistral", "xai", "cohere"]
)  # of the names of endpoints
_SELF = re.compile(
    r"\b(?:i\s+am|i['’]m|i\s+was|my\s+(?:name|creators?|makers?|developers?)|call\s+me|"
    r"(?:made|built|created|trained|developed)\s+me|as\s+an?\s+(?:ai|large|language|assistant)\b|"
    r"ich\s+(?:bin|heiße)|je\s+(?:suis|m['’]appelle)|soy|me\s+llamo|sono|mi\s+chiamo|sou|chamo-me)\b|我是|我叫|私は|저는|나는",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True, slots=True)
class SystemNames:
    """The names by which systems are recognised: `distinct` wherever they stand, `everyday` where an answer speaks of itself."""

    distinct: tuple[str, ...]
    everyday: tuple[str, ...]


def leaked(answer: str, systems: Iterable[str], question: str = "") -> str:
    """The name in `answer` that tells which of the `systems` (by their full names) may have written it; empty for none."""
    names = names_of(tuple(systems))
    for name in names.distinct:
        if (match := _pattern(name).search(answer)) and not _pattern(name).search(question):
            return match[0]
    for sentence in _SENTENCE.split(answer):
        if _SELF.search(sentence):
            for name in (*names.distinct, *names.everyday):
                if match := _pattern(name).search(sentence):
                    return match[0]
    return ""


@lru_cache(maxsize=64)
def names_of(systems: tuple[str, ...]) -> SystemNames:
    """The names in `provider:maker/model-size?options`, with those of the makers of known families.

    >>> names_of(("hf:HuggingFaceTB/SmolLM2-135M-Instruct",)).distinct
    ('SmolLM2', 'SmolLM')
    """
    distinct: list[str] = []
    everyday: list[str] = []
    for system in systems:
        address, _, rest = system.partition("?")[0].partition("@")[0].rpartition("#")
        provider, colon, path = rest.partition(":")
        if address or not colon:
            provider, path = "", rest
        own = bool(address) or path[:1] in (".", "/")  # named by whoever sits here, as folders and teams are
        *makers, model = path.strip("./").partition(":")[0].split("/")
        everyday += [] if own else [provider] if provider in _MAKES_MODELS else makers[-1:]
        for name in _spellings(model) if provider != "team" else ():
            family = re.sub(r"[-_. \d]+$", "", name).casefold()
            if name[-1].isdigit() or family in DISTINCT:
                distinct.append(name)
            elif not own or family in MAKERS:
                everyday.append(name)
            everyday += MAKERS.get(family, ())
    return SystemNames(_unique(distinct), _unique(everyday))


def _spellings(model: str) -> list[str]:
    """The family with its version and without, as in `Qwen2.5` and `Qwen` of Qwen2.5-0.5B-Instruct."""
    match = re.match(r"([^\W\d_]{2,})(?:[-_. ]?(\d+(?:\.\d+)*)(?![^\W_]))?", model)
    if match is None:
        return []
    return [match[0], match[1]] if match[2] else [match[1]]


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if len(name) > 1))


@lru_cache(maxsize=512)
def _pattern(name: str) -> re.Pattern[str]:
    """`name` in any case, as one word or several: SmolLM2, smollm-2, Smol LM 2. Beside signs of scripts without blanks it
    stands as a word of its own."""
    pieces = re.findall(r"[^\W\d_]+|\d+", name)
    spelling = r"[\W_]?".join(c for piece in pieces for c in (piece if len(piece) > 4 else [piece]))
    return re.compile(rf"(?<![A-Za-z0-9]){spelling}(?![A-Za-z])", re.IGNORECASE)
