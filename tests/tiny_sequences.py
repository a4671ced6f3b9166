"""Small random models that read one text and write another, saved as checkpoints that transformers 4 reads, too."""

import json
import warnings
from pathlib import Path

import torch

import tiny


def _tokenizer(folder: Path, special=(), length: int = 512):
    """A token for each printable character; ends with </s>, as T5's and BART's do. Its class is known to both versions."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "<s>", *map(chr, range(32, 127))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        additional_special_tokens=list(special), model_max_length=length,
    )  # fmt: skip
    _save_tokenizer(tokenizer, folder)
    return tokenizer


def _save_tokenizer(tokenizer, folder: Path) -> None:
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    config = {**json.loads(file.read_text()), "tokenizer_class": "PreTrainedTokenizerFast"}
    config.pop("extra_special_tokens", None)  # a list, which version 4 does not read
    file.write_text(json.dumps(config))


def save_t5(folder: Path, parameters: dict | None = None, spread: float = 0.4, **generation) -> Path:
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = _tokenizer(folder)
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id, n_positions=512,
    )  # fmt: skip
    return _save(T5ForConditionalGeneration(config), folder, parameters, spread, generation)


def save_bart(
    folder: Path, positions: int = 128, parameters: dict | None = None, spread: float = 0.4, **generation
) -> Path:
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = _tokenizer(folder, length=positions)
    torch.manual_seed(4)
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id, forced_eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return _save(BartForConditionalGeneration(config), folder, parameters, spread, generation)


def _save(model, folder: Path, parameters: dict | None, spread: float, generation: dict) -> Path:
    tiny.draw_weights(model, spread)
    model.generation_config._from_model_config = False
    model.generation_config.update(**generation)
    model.save_pretrained(folder)
    if parameters is not None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "task_specific_params": parameters}))
    return folder


def save_mbart(folder: Path) -> Path:
    from transformers import MBartConfig, MBartForConditionalGeneration, MBartTokenizer
    from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

    words = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", *map(chr, range(33, 127)), *FAIRSEQ_LANGUAGE_CODES, "<mask>"]
    tokenizer = MBartTokenizer(vocab=[(word, -float(index)) for index, word in enumerate(words)], src_lang="en_XX")
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    torch.manual_seed(5)
    config = MBartConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=128,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2,
    )  # fmt: skip
    return _save(MBartForConditionalGeneration(config), folder, None, 0.4, {"max_length": 20})


def save_marian(folder: Path, source: str = "en", target: str = "de", marks=()) -> Path:
    """Its tokenizer is trained here, on a few sentences, by sentencepiece."""
    import sentencepiece
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir(exist_ok=True)
    sentences = iter(["the tower is tall and the house is small", "a long text of many words goes on and on"] * 20)
    for side in ("source", "target"):
        with (folder / f"{side}.spm").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter([*sentences] or ["the tower is tall", "a long text goes on"] * 20),
                model_writer=file, vocab_size=30, hard_vocab_limit=False, minloglevel=2,
            )  # fmt: skip
    pieces: set[str] = set()
    for side in ("source", "target"):
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        pieces |= {model.id_to_piece(number) for number in range(model.get_piece_size())}
    words = ["</s>", "<unk>", *marks, *sorted(pieces - {"</s>", "<unk>"}), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        tokenizer = MarianTokenizer(
            str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"), source_lang=source,
            target_lang=target, model_max_length=64,
        )  # fmt: skip
    tokenizer.save_pretrained(folder)
    torch.manual_seed(6)
    config = MarianConfig(
        vocab_size=len(words), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
        pad_token_id=len(words) - 1, eos_token_id=0, decoder_start_token_id=len(words) - 1, forced_eos_token_id=0,
    )  # fmt: skip
    return _save(MarianMTModel(config), folder, None, 0.4, {"max_length": 20, "bad_words_ids": [[len(words) - 1]]})


def save_reader(folder: Path, positions: int = 64) -> Path:
    """A BERT that finds answers in a text; its tokenizer joins question and text by </s>."""
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

    tokenizer = _tokenizer(folder, length=positions)
    joined = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 3), ("</s>", 1)]
    )
    tokenizer.backend_tokenizer.post_processor = joined
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>", cls_token="<s>", sep_token="</s>", model_max_length=positions,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    _save_tokenizer(tokenizer, folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=positions, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = BertForQuestionAnswering(config)
    tiny.draw_weights(model, 0.3)
    model.save_pretrained(folder)
    return folder
