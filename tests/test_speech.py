"""Sound in and out with tiny random checkpoints: the way is tested, not the words."""

import io

import numpy as np
import pytest

from llms.errors import DataError, ModelError
from llms.tasks.sound import read, resample, write
from llms.tasks.speech import speak, transcribe
from tiny_sound import RATE, save_vits, save_whisper, tone


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def vits(tmp_path_factory):
    return save_vits(tmp_path_factory.mktemp("vits"))


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
    with pytest.raises(ModelError, match="was not made for speech-to-text"):
        transcribe(tiny, write(tone(0.1), RATE))
