"""A byte-level BPE tokenizer from text: every text can be written in it and comes back as it was.

Digits stand alone, as in SmolLM2's and Llama's, so that numbers are cut alike wherever they stand. Of the special tokens
`<|endoftext|>` begins each document and ends a text; `<|im_start|>` and `<|im_end|>` are those of the chat template ChatML, which
is there from the start so that the model can be fine-tuned to chats and asked in them; none of them can be written in a text.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, UsageError
from .json_tokenizer import FILE

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

END, TURN_START, TURN_END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
SPECIAL = (END, TURN_START, TURN_END, PAD)
END_ID, TURN_END_ID, PAD_ID = 0, 2, 3
LEAST = len(SPECIAL) + 256  # the special tokens and the bytes
BOUNDS = (512, 32768)  # of vocabularies that are chosen here
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def vocabulary_for(size: int) -> int:
    """How many tokens suit so many bytes of text: a power of two that grows with their 0.4th power; 2,048 for a megabyte."""
    fitting: int = 2 ** round(0.4 * log2(max(size, 2)) + 3)
    return min(max(fitting, BOUNDS[0]), BOUNDS[1])


def train_tokenizer(texts: Iterable[str], vocabulary: int, exact: bool = True) -> "Backend":
    """A tokenizer of `vocabulary` tokens; the texts are read once, one after another.

    Where they hold too few pairs that come twice it has fewer, or, if it is to be `exact`, DataError is raised.
    """
    if vocabulary < LEAST:
        raise UsageError(
            f"a vocabulary of {vocabulary:,}; expected {LEAST} or more: 256 bytes, {len(SPECIAL)} special tokens"
        )
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=64,
        show_progress=False,
    )
    seen = 0

    def counted() -> Iterator[str]:
        nonlocal seen
        for text in texts:
            seen += len(text)
            yield text

    backend.train_from_iterator(counted(), trainer=trainer)
    if not seen:
        raise DataError("there is no text to train a tokenizer on")
    size = backend.get_vocab_size()
    if exact and size < vocabulary:
        raise DataError(
            f"a vocabulary of {vocabulary:,} tokens needs more text: {seen:,} characters hold pairs that come twice for {size:,}. "
            f"Take --vocabulary {size} or fewer, or more text"
        )
    return backend


def save_tokenizer(backend: "Backend", folder: Path, window: int) -> None:
    """The files that make `folder` a checkpoint's tokenizer, for llms and transformers alike."""
    backend.save(str(folder / FILE))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": PAD,
        "extra_special_tokens": [TURN_START, TURN_END],
        "clean_up_tokenization_spaces": False,
        "model_max_length": window,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")


def encode_plain(backend: "Backend", texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts as they are: the name of a special token in one is the characters that it has."""
    backend.encode_special_tokens = True
    return [encoding.ids for encoding in backend.encode_batch_fast(list(texts), add_special_tokens=False)]
