"""Sound in and out with tiny random checkpoints: the way is tested, not the words."""

import io
import json

import numpy as np
import pytest

from llms.errors import DataError, ModelError
from llms.tasks.sound import read, resample, write
from llms.tasks.speech import speak, transcribe

RATE = 16_000


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate).astype("float32") / 2


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    folder = tmp_path_factory.mktemp("whisper")
    words = {symbol: index for index, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    names = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(
        vocab=words, merges=[], additional_special_tokens=[*names, *(f"<|{i / 50:.2f}|>" for i in range(1501))]
    )
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in names}
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"], pad_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config.max_new_tokens = 8
    model.generation_config.no_timestamps_token_id = ids["<|notimestamps|>"]
    model.generation_config._from_model_config = False
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def vits(tmp_path_factory):
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    folder = tmp_path_factory.mktemp("vits")
    (folder / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate("_abcdefghijklmnopqrstuvwxyz '")}))
    VitsTokenizer(
        str(folder / "vocab.json"), pad_token="_", unk_token="_", phonemize=False, is_uroman=False
    ).save_pretrained(folder)
    VitsModel(
        VitsConfig(
            vocab_size=29, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, flow_size=16,
            spectrogram_bins=33, prior_encoder_num_flows=1, posterior_encoder_num_wavenet_layers=1,
            upsample_initial_channel=16, upsample_rates=[8, 8], upsample_kernel_sizes=[16, 16],
            resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]], duration_predictor_num_flows=1,
            prior_encoder_num_wavenet_layers=1, duration_predictor_filter_channels=16,
        )
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


def test_sound_survives_writing_and_reading():
    samples = tone(0.5)
    assert np.abs(read(write(samples, RATE), RATE) - samples).max() < 1e-3


def test_another_rate_keeps_pitch_and_length():
    samples = read(write(tone(1.0, 44_100), 44_100), RATE)
    assert len(samples) == RATE
    assert np.abs(np.fft.rfft(samples)).argmax() == 440
    assert resample(samples, RATE, RATE) is samples


def test_two_channels_become_one():
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.stack([tone(0.1), -tone(0.1)], 1), RATE, format="WAV")
    assert np.abs(read(out.getvalue(), RATE)).max() < 1e-3


@pytest.mark.parametrize("data", [b"", b"RIFF....WAVE", b"\x89PNG\r\n"])
def test_what_is_no_sound_is_refused(data):
    with pytest.raises(DataError, match="cannot read the sound"):
        read(data, RATE)


def test_a_recording_is_transcribed(whisper):
    found = transcribe(whisper, write(tone(1.5, 22_050), 22_050))
    assert isinstance(found.text, str)
    assert found.seconds == pytest.approx(1.5)


def test_text_is_spoken_as_a_sound_file(vits):
    assert len(read(speak(vits, "hello there"), RATE)) > 0
    with pytest.raises(ModelError, match="1 to 2000"):
        speak(vits, " ")


def test_a_model_of_another_kind_is_refused(tiny):
    with pytest.raises(ModelError, match="cannot be used for automatic-speech-recognition"):
        transcribe(tiny, write(tone(0.1), RATE))
