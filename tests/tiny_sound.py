"""Tiny random checkpoints for sound, and sounds: bursts of tones as speech, with silence between."""

import io
import json

import numpy as np
import torch

import tiny

RATE = 16_000
LANGUAGES = ("en", "de", "fr")


def tone(seconds, rate=RATE, pitch=440.0):
    return np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate).astype("float32") / 2


def silence(seconds, rate=RATE):
    return np.zeros(round(seconds * rate), "float32")


def file_of(samples, rate=RATE, kind="WAV", subtype=None):
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


def save_whisper(folder, spread=0.4, times=True, languages=LANGUAGES, loop=""):
    """A Whisper over bytes. With `loop` it writes nothing but this letter."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    words = {symbol: index for index, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    names = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in languages)]
    names += ["<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    stamps = [f"<|{i / 50:.2f}|>" for i in range(1501)] if times else []
    tokenizer = WhisperTokenizer(vocab=words, merges=[], additional_special_tokens=names)
    tokenizer.add_tokens(stamps)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in names}
    torch.manual_seed(3)
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"], pad_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    tiny.draw_weights(model, spread)
    if loop:
        norm = model.model.decoder.layer_norm
        norm.weight.data.zero_()
        norm.bias.data.copy_(10 * model.model.decoder.embed_tokens.weight[words[loop]])
    stated = model.generation_config
    stated.max_new_tokens = 40 if loop else 12
    stated.suppress_tokens = [number for symbol, number in words.items() if not (symbol.isascii() and symbol.isalpha())]
    if times:
        stated.no_timestamps_token_id = ids["<|notimestamps|>"]
    if languages:
        stated.lang_to_id = {f"<|{code}|>": ids[f"<|{code}|>"] for code in languages}
        stated.task_to_id = {"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]}
        stated.is_multilingual = True
    stated._from_model_config = False
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return str(folder)


def save_ctc(folder):
    """A wav2vec2 that names letters."""
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    torch.manual_seed(4)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=len(letters), **_wav2vec2()))
    model.lm_head.weight.data.normal_(0, 3)
    model.save_pretrained(folder)
    return str(folder)


def save_hearer(folder, problem=None):
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    torch.manual_seed(5)
    labels = ["yes", "no", "silence"]
    config = Wav2Vec2Config(
        **_wav2vec2(), classifier_proj_size=8, id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)}, problem_type=problem,
    )  # fmt: skip
    model = Wav2Vec2ForSequenceClassification(config)
    model.classifier.weight.data.normal_(0, 3)
    model.save_pretrained(folder)
    return str(folder)


def _wav2vec2():
    return {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "conv_dim": (8, 8, 8), "conv_stride": (5, 8, 8), "conv_kernel": (10, 8, 8), "num_feat_extract_layers": 3,
        "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "pad_token_id": 0,
    }  # fmt: skip


def save_vits(folder, speakers=1):
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    folder.mkdir(exist_ok=True, parents=True)
    (folder / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate("_abcdefghijklmnopqrstuvwxyz '")}))
    VitsTokenizer(
        str(folder / "vocab.json"), pad_token="_", unk_token="_", phonemize=False, is_uroman=False
    ).save_pretrained(folder)
    torch.manual_seed(6)
    VitsModel(
        VitsConfig(
            vocab_size=29, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, flow_size=16,
            spectrogram_bins=33, prior_encoder_num_flows=1, posterior_encoder_num_wavenet_layers=1,
            upsample_initial_channel=16, upsample_rates=[8, 8], upsample_kernel_sizes=[16, 16],
            resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]], duration_predictor_num_flows=1,
            prior_encoder_num_wavenet_layers=1, duration_predictor_filter_channels=16, num_speakers=speakers,
            speaker_embedding_size=8 if speakers > 1 else 0,
        )
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


def save_speecht5(folder):
    """A SpeechT5 over bytes, with its vocoder beside it."""
    from transformers import SpeechT5Config, SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5HifiGanConfig

    tokenizer = tiny.byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = SpeechT5Config(
        vocab_size=len(tokenizer), hidden_size=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_mel_bins=8, reduction_factor=2,
        speech_decoder_prenet_units=8, speech_decoder_postnet_units=8, speech_decoder_postnet_layers=2,
        speaker_embedding_dim=12, conv_dim=(8,), conv_stride=(5,), conv_kernel=(10,), num_feat_extract_layers=1,
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    SpeechT5ForTextToSpeech(config).save_pretrained(folder)
    SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=8, upsample_initial_channel=8, upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8],
            resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]],
        )
    ).save_pretrained(folder / "vocoder")  # fmt: skip
    return str(folder)
