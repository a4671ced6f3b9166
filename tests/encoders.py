"""Small random encoders with a word-piece tokenizer, made in-process, and transformers' own pipelines over them."""

import random

import torch

import tiny

TEXT = """the a an of to in on and or is was not good bad film book paris london anna peter smith berlin works lives reads
very long short story plot actor scene music red blue green house river town city ever never he she it they we sports
politics science entail example this about that there with from by for at as be have had movie today"""
WORDS = tuple(TEXT.split())
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def word_tokenizer(window=None, lower=True):
    """Word pieces: whole WORDS, else letters; [CLS] and [SEP] around, token types in pairs, as BERT has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [chr(code) for code in range(33, 127)] + list("äöüéß世界🙂")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys([*WORDS, *letters])]
    pieces += [f"##{letter}" for letter in letters] + ["##s", "##ing", "##ed"][1:]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    extra = {} if window is None else {"model_max_length": window}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", **extra,
    )  # fmt: skip


def save_encoder(folder, head, labels=(), window=64, family="Bert", seed=3, **settings):
    """A random checkpoint of `family` with the head `ForSequenceClassification` and so on."""
    import transformers

    tokenizer = word_tokenizer(window)
    tokenizer.save_pretrained(folder)
    if labels:
        settings["id2label"] = dict(enumerate(labels))
        settings["label2id"] = {label: number for number, label in enumerate(labels)}
    torch.manual_seed(seed)
    sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2} if family == "DistilBert" else SIZES
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer), max_position_embeddings=window, pad_token_id=0, **sizes, **settings
    )
    network = getattr(transformers, f"{family}{head}")(config)
    tiny.draw_weights(network, 0.3)
    network.save_pretrained(folder)
    return folder


def texts(count, longest, seed=0):
    """Texts of 1 to `longest` words, some of which are not whole words of the vocabulary."""
    draw = random.Random(seed)
    words = [*WORDS, "Anna", "Zürich", "xyz", "don't", "end.", "🙂"]
    return [" ".join(draw.choice(words) for _ in range(draw.randint(1, longest))) for _ in range(count)]


def pipeline(task, folder, **settings):
    """transformers' own."""
    import transformers

    return transformers.pipeline(task, model=str(folder), device="cpu", **settings)
