"""Speech to text: exact to transformers on short recordings; long, silent and broken ones are dealt with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.errors import ModelError, UsageError
from llms.models.name import parse
from llms.models.task_model import Segment, TaskInput, TaskOptions, TaskOutput
from llms.tasks.catalogue import find_task
from llms.tasks.sound import is_cut_short
from llms.tasks.special import open_special
from llms.values import Failure, Media
from tiny_sound import RATE, file_of, save_ctc, save_whisper, silence, tone


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def ctc(tmp_path_factory):
    return save_ctc(tmp_path_factory.mktemp("ctc"))


def open_transcriber(folder, **options):
    return open_special(find_task("speech-to-text"), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))


def sound(samples, rate=RATE, name="", **kind):
    return TaskInput(media=Media("audio/wav", file_of(samples, rate, **kind), name=name))


def transcribe(folder, *inputs, **options):
    model = open_transcriber(folder, **options)
    results = dict(model.answer(inputs))
    model.close()
    return [results[index] for index in range(len(inputs))]


def by_pipeline(folder, samples, **options):
    from transformers import pipeline

    recognizer = pipeline("automatic-speech-recognition", model=folder, device="cpu")
    return recognizer({"raw": samples.copy(), "sampling_rate": RATE}, **options)


def rough(seconds, seed=0):
    """Noise whose loudness and colour change, as a stand-in for speech."""
    draw = np.random.default_rng(seed)
    steps = np.repeat(draw.uniform(0.05, 0.4, int(seconds * 4) + 1), RATE // 4)[: round(seconds * RATE)]
    return (steps * draw.standard_normal(len(steps)) * 0.3).astype("float32")


@pytest.mark.parametrize(("seconds", "seed"), [(29.9, 1), (29.9, 2), (12.3, 3)])
def test_a_short_recording_is_written_as_transformers_pipeline_writes_it(whisper, seconds, seed):
    samples = rough(seconds, seed)
    expected = by_pipeline(whisper, samples, return_timestamps=True)
    (result,) = transcribe(whisper, sound(samples, subtype="FLOAT"))
    assert result.text
    assert result.text == expected["text"].strip()
    chunks = [chunk for chunk in expected["chunks"] if chunk["text"]]
    for one, chunk in zip(result.segments, chunks, strict=True):
        assert one.text == chunk["text"].strip()
        start, end = chunk["timestamp"]
        assert (one.start, one.end) == pytest.approx((min(start, seconds), min(end, seconds)), abs=0.001)
        assert ("after the end" in one.flags) == (start >= seconds)


@pytest.mark.parametrize("seconds", [0.05, 3.0, 21.0])
def test_a_ctc_network_is_exact_to_the_pipeline(ctc, seconds):
    samples = rough(max(seconds, 0.2), 4)[: round(seconds * RATE)]
    (result,) = transcribe(ctc, sound(samples, subtype="FLOAT"))
    if seconds > 0.1:
        assert result.text == by_pipeline(ctc, samples)["text"].strip()
        assert result.segments[-1].end <= seconds
    assert isinstance(result, TaskOutput)


def test_a_recording_without_speech_is_never_given_to_the_model(whisper, monkeypatch):
    from llms.tasks.recognizers import WhisperRecognizer

    asked = []
    monkeypatch.setattr(WhisperRecognizer, "recognize", lambda self, *rest: asked.append(rest))
    hiss = (np.random.default_rng(0).standard_normal(RATE * 40) * 1e-4).astype("float32")
    for samples in (silence(1), silence(45), hiss, np.full(RATE, 0.5, "float32")):
        (result,) = transcribe(whisper, sound(samples))
        assert (result.text, result.segments, result.flags) == ("", (), ("no speech",))
    assert asked == []


def test_parts_of_a_long_recording_have_their_times_in_the_whole(ctc):
    samples = np.concatenate([silence(5), rough(4, 1), silence(20), rough(50, 2), silence(30), rough(3, 3), silence(9)])
    (result,) = transcribe(ctc, sound(samples))
    spoken = [(5, 9), (29, 79), (109, 112)]
    for one in result.segments:
        assert any(start - 0.5 <= one.start <= one.end <= end + 0.5 for start, end in spoken), one
    assert {
        i for one in result.segments for i, (start, end) in enumerate(spoken) if start - 0.5 <= one.start <= end
    } == {0, 1, 2}
    assert " ".join(one.text for one in result.segments) == result.text


def test_several_recordings_computed_together_read_as_each_alone(whisper):
    inputs = [sound(rough(seconds, seed)) for seed, seconds in enumerate([3, 35, 8, 2, 70])]
    together = transcribe(whisper, *inputs)
    for one, result in zip(inputs, together, strict=True):
        (alone,) = transcribe(whisper, one)
        assert [(s.text, s.start, s.end) for s in alone.segments] == [(s.text, s.start, s.end) for s in result.segments]


def test_a_model_that_goes_round_in_circles_is_flagged_after_it_was_tried_warmer(tmp_path, monkeypatch):
    from llms.tasks.recognizers import WhisperRecognizer

    temperatures = []
    recognize = WhisperRecognizer.recognize

    def watched(self, parts, language="", target="", temperature=0.0):
        temperatures.append(temperature)
        return recognize(self, parts, language, target, temperature)

    monkeypatch.setattr(WhisperRecognizer, "recognize", watched)
    (result,) = transcribe(save_whisper(tmp_path, loop="a"), sound(rough(5)))
    assert "aaaaaaaaaaaaaaaa" in result.text
    assert "repeats" in result.flags
    assert all("repeats" in one.flags for one in result.segments)
    assert temperatures == [0.0, 0.2, 0.4]


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_and_more_channels_change_nothing_but_rounding(ctc, rate):
    samples = tone(3, rate) * np.linspace(0.2, 1, 3 * rate, dtype="float32")
    (one,) = transcribe(ctc, sound(samples, rate))
    (two,) = transcribe(ctc, sound(np.stack([samples, samples], 1), rate))
    assert one.segments == two.segments
    assert one.segments[-1].end <= 3.0


def test_what_is_no_sound_is_a_failure_that_ends_no_other(ctc):
    good = sound(rough(1))
    cut = TaskInput(media=Media("audio/flac", file_of(rough(9), kind="FLAC")[:9000], name="cut.flac"))
    picture = TaskInput(media=Media("audio/wav", b"\x89PNG\r\n", name="picture.wav"))
    results = transcribe(
        ctc, good, TaskInput("text"), picture, TaskInput(media=Media("audio/wav")), sound([]), cut, good
    )
    assert [isinstance(one, Failure) for one in results] == [False, True, True, True, True, True, False]
    assert results[1].reason == "input 1 holds no recording; expected WAV, FLAC, OGG or MP3"
    assert results[2].reason.startswith("input 2 (picture.wav): cannot read the sound")
    assert "cannot read the sound" in results[3].reason
    assert "holds no samples" in results[4].reason
    assert "input 5 (cut.flac)" in results[5].reason
    assert results[0].text == results[6].text


def test_a_wav_whose_end_is_missing_is_transcribed_and_flagged(ctc, tmp_path):
    whole = file_of(rough(1))
    at = whole.index(b"data") + 4
    (tmp_path / "cut.wav").write_bytes(whole[:2000])
    streams = [whole[:at] + size.to_bytes(4, "little") + whole[at + 4 :] for size in (0xFFFFFFFF, len(whole) - at - 4)]
    media = [Media("audio/wav", data) for data in (whole, whole[:2000], *streams)]
    media.append(Media("audio/wav", url=(tmp_path / "cut.wav").as_uri()))
    results = transcribe(ctc, *(TaskInput(media=one) for one in media))
    assert [one.truncated for one in results] == [False, True, False, False, True]
    assert ["cut short" in one.flags for one in results] == [False, True, False, False, True]
    assert results[2].text == results[0].text


def test_the_end_of_a_wav_is_missed_by_the_size_that_its_data_states():
    whole = file_of(tone(0.5))
    at = whole.index(b"data") + 4
    for size in (0, 0xFFFFFFFF, len(whole) - at - 4):
        assert not is_cut_short(whole[:at] + size.to_bytes(4, "little") + whole[at + 4 :])
    assert all(is_cut_short(whole[:end]) for end in range(at + 4, len(whole), 997))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_finite_numbers_are_a_failure_that_names_the_first(ctc, value):
    samples = rough(2)
    samples[RATE:] = value
    (bad, good) = transcribe(ctc, sound(samples, subtype="FLOAT", name="bad.wav"), sound(rough(1)))
    assert isinstance(good, TaskOutput)
    assert bad.reason.startswith(
        f"input 0 (bad.wav): the recording is {value} at 1.000 seconds; expected finite samples"
    )


def test_a_file_is_read_where_its_address_is_named(ctc, tmp_path):
    file = tmp_path / "a recording.flac"
    file.write_bytes(file_of(rough(2), kind="FLAC"))
    (by_address, by_bytes, missing) = transcribe(
        ctc,
        TaskInput(media=Media("audio/flac", url=file.as_uri())),
        TaskInput(media=Media("audio/flac", file.read_bytes())),
        TaskInput(media=Media("audio/flac", url=(tmp_path / "none").as_uri())),
    )
    assert by_address.segments == by_bytes.segments
    assert isinstance(missing, Failure)


def test_a_language_is_one_that_the_model_knows(whisper, ctc, tmp_path):
    (german, french) = (transcribe(whisper, sound(rough(3, 7)), source=one)[0].text for one in ("de", "French"))
    assert isinstance(german + french, str)
    with pytest.raises(UsageError, match="does not know the language 'xx'; it knows de, en, fr"):
        open_transcriber(whisper, source="xx")
    with pytest.raises(UsageError, match="does not tell languages apart"):
        open_transcriber(ctc, source="en")
    with pytest.raises(UsageError, match="translates to en alone"):
        open_transcriber(whisper, target="de")


def test_what_is_no_recognizer_is_refused(tiny):
    with pytest.raises(ModelError, match="LlamaForCausalLM, which was not made for speech-to-text"):
        transcribe(tiny, sound(rough(1)))


@given(
    st.lists(st.tuples(st.floats(-5, 90), st.floats(-5, 90), st.sampled_from(["", " ", "word", " more words"]))),
    st.floats(0, 60),
)
def test_times_are_within_the_recording_and_never_go_back(rows, seconds):
    from llms.tasks.transcription import in_order

    ordered = in_order([Segment(*row) for row in rows], seconds)
    borders = [moment for one in ordered for moment in (one.start, one.end)]
    assert borders == sorted(borders)
    assert all(0 <= moment <= seconds + 0.0005 for moment in borders)
    assert [one.text for one in ordered] == [text for *_, text in rows if text.strip()]


@pytest.mark.slow
def test_two_hours_take_bounded_memory_and_their_times_never_go_back(tmp_path, whisper):
    import subprocess
    import sys
    from pathlib import Path

    import soundfile

    file = tmp_path / "long.flac"
    with soundfile.SoundFile(file, "w", 44_100, 1) as out:
        for minute in range(120):
            speech = np.repeat(rough(40, minute), 3)[: 44_100 * 40]
            out.write(np.concatenate([speech, silence(60 - len(speech) / 44_100, 44_100)]))
    program = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_transcription import open_transcriber, Media, TaskInput
model = open_transcriber({whisper!r})
model._network
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
((_, result),) = model.answer([TaskInput(media=Media("audio/flac", url={file.as_uri()!r}))])
borders = [moment for one in result.segments for moment in (one.start, one.end)]
assert borders == sorted(borders) and 7000 < borders[-1] <= 7200, borders[-1]
assert all(one.start % 60 < 41 for one in result.segments)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 400  # MB; two hours at 16 kHz alone are 460, at 44.1 kHz 1,270
