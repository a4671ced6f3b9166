"""Text to speech and audio classification, exact to transformers' pipelines."""

import io

import numpy as np
import pytest
import torch

from llms.errors import ModelError, UsageError
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput, as_inputs
from llms.tasks.catalogue import find_task
from llms.tasks.sound import read
from llms.tasks.speaking import AT_ONCE, PAUSE_SECONDS, pieces
from llms.tasks.special import open_special
from llms.values import Failure, Media
from tiny_sound import RATE, file_of, save_hearer, save_speecht5, save_vits, silence, tone


@pytest.fixture(scope="module")
def vits(tmp_path_factory):
    return save_vits(tmp_path_factory.mktemp("vits"))


@pytest.fixture(scope="module")
def speecht5(tmp_path_factory):
    return save_speecht5(tmp_path_factory.mktemp("speecht5"))


@pytest.fixture(scope="module")
def hearer(tmp_path_factory):
    return save_hearer(tmp_path_factory.mktemp("hearer"))


def answers(task, folder, inputs, **options):
    model = open_special(find_task(task), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))
    results = dict(model.answer(inputs))
    model.close()
    return [results[index] for index in range(len(inputs))]


def speak(folder, *texts, **options):
    return answers("text-to-speech", folder, as_inputs(texts), **options)


def samples_of(result):
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(result.media.data), dtype="float32")
    return samples, rate


def test_speech_is_exact_to_the_pipeline_with_the_same_seed(vits):
    from transformers import pipeline

    speaker = pipeline("text-to-audio", model=vits, device="cpu")
    torch.manual_seed(11)
    expected = speaker("hello there")
    (result,) = speak(vits, "hello there", seed=11)
    samples, rate = samples_of(result)
    assert rate == expected["sampling_rate"] == 16_000
    assert np.abs(samples - expected["audio"].clip(-1, 1)).max() < 1e-4
    assert result.media.media_type == "audio/wav"


def test_a_seed_speaks_alike_and_leaves_the_numbers_of_others_alone(vits):
    model = open_special(find_task("text-to-speech"), parse(f"hf:{vits}?device=cpu"), TaskOptions(seed=5))
    ((_, first),) = model.answer(as_inputs(["good day"]))
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    ((_, second),) = model.answer(as_inputs(["good day"]))
    assert torch.equal(torch.rand(3), expected)
    assert first.media.data == second.media.data != speak(vits, "good day", seed=6)[0].media.data


def test_a_long_text_is_spoken_sentence_by_sentence_with_pauses(vits):
    sentences = ["so it was " * 20 + "one.", "two and three!", "word " * 90]
    (result,) = speak(vits, " ".join(sentences))
    samples, rate = samples_of(result)
    pause = round(PAUSE_SECONDS * rate)
    quiet = np.convolve(np.abs(samples) < 1e-6, np.ones(pause), "valid") == pause
    assert np.flatnonzero(np.diff(quiet.astype(int)) == 1).size == len(pieces(" ".join(sentences))) - 1 == 3


@pytest.mark.parametrize("text", ["One. Two? Three!", "word " * 500, "今日は。" * 200, "x" * 1000, "A\n\nB " * 200])
def test_pieces_lose_no_letter_and_are_short(text):
    split = pieces(text)
    assert "".join("".join(split).split()) == "".join(text.split())
    assert all(0 < len(piece) <= AT_ONCE for piece in split)


def test_what_cannot_be_said_is_a_failure_that_ends_no_other(vits):
    empty, numbers, word = speak(vits, "  ", "12345", "word")
    assert empty == Failure("infra", "input 0 has 0 characters; 1 to 100000 can be spoken")
    assert "input 1 holds nothing that" in numbers.reason
    assert isinstance(word, TaskOutput)


def test_speecht5_speaks_with_the_voice_of_a_file_or_says_that_it_drew_one(speecht5, tmp_path):
    from transformers import AutoTokenizer, SpeechT5ForTextToSpeech, SpeechT5HifiGan

    voice = np.random.default_rng(0).standard_normal(12).astype("float32")
    np.save(tmp_path / "voice.npy", voice)
    (drawn,) = speak(speecht5, "hello")
    (result,) = speak(speecht5, "hello", voice=str(tmp_path / "voice.npy"), seed=3)
    assert (drawn.flags, result.flags) == (("random voice",), ())
    network = SpeechT5ForTextToSpeech.from_pretrained(speecht5).eval()
    ids = AutoTokenizer.from_pretrained(speecht5)("hello", return_tensors="pt")
    torch.manual_seed(3)
    expected = network.generate_speech(
        ids["input_ids"],
        torch.from_numpy(voice)[None],
        attention_mask=ids["attention_mask"],
        vocoder=SpeechT5HifiGan.from_pretrained(f"{speecht5}/vocoder").eval(),
    )
    assert np.abs(samples_of(result)[0] - expected.numpy().clip(-1, 1)).max() < 1e-4


def test_a_voice_that_is_none_is_refused(speecht5, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros(3, "float32"))
    with pytest.raises(UsageError, match=r"holds float32 \(3,\); expected 12 floats"):
        speak(speecht5, "hello", voice=str(tmp_path / "short.npy"))
    with pytest.raises(UsageError, match="cannot read the voice"):
        speak(speecht5, "hello", voice=str(tmp_path / "none.npy"))


def test_one_of_several_speakers_is_a_number(tmp_path):
    folder = save_vits(tmp_path, speakers=3)
    one, two = (speak(folder, "hello", voice=voice)[0].media.data for voice in ("0", "2"))
    assert one != two
    with pytest.raises(UsageError, match="expected a number from 0 to 2"):
        speak(folder, "hello", voice="3")


def test_what_is_no_speaker_is_refused(tiny):
    with pytest.raises(ModelError, match="LlamaForCausalLM, which was not made for text-to-speech"):
        speak(tiny, "hello")


def hear(folder, *sounds):
    return answers("audio-classification", folder, [TaskInput(media=Media("audio/wav", one)) for one in sounds])


def test_labels_are_exact_to_the_pipeline(hearer):
    from transformers import pipeline

    samples = tone(2) + tone(2, pitch=1000) / 3
    expected = pipeline("audio-classification", model=hearer, device="cpu")(samples, top_k=None)
    (result,) = hear(hearer, file_of(samples, subtype="FLOAT"))
    assert {one.label: one.score for one in result.scores} == pytest.approx(
        {one["label"]: one["score"] for one in expected}, abs=1e-5
    )
    assert result.text == expected[0]["label"]


def test_several_labels_may_hold_where_the_network_says_so(tmp_path):
    from transformers import pipeline

    folder = save_hearer(tmp_path, "multi_label_classification")
    samples = tone(1)
    expected = pipeline("audio-classification", model=folder, device="cpu")(samples, top_k=None)
    (result,) = hear(folder, file_of(samples, subtype="FLOAT"))
    assert [one.score for one in result.scores] == pytest.approx([one["score"] for one in expected], abs=1e-5)


def test_a_long_recording_is_the_mean_of_its_windows(hearer):
    halves = [tone(20) + tone(20, pitch=900), tone(20, pitch=200)]
    (first, second), (whole,) = (
        hear(hearer, *(file_of(one, subtype="FLOAT") for one in halves)),
        hear(hearer, file_of(np.concatenate(halves), subtype="FLOAT")),
    )
    for one in whole.scores:
        parts = [next(s.score for s in half.scores if s.label == one.label) for half in (first, second)]
        assert one.score == pytest.approx(sum(parts) / 2, abs=1e-5)
    assert sum(one.score for one in whole.scores) == pytest.approx(1)


def test_what_is_no_sound_is_a_failure(hearer):
    results = hear(hearer, b"", file_of(tone(0.01)), file_of([]), file_of(silence(1)))
    assert [isinstance(one, Failure) for one in results] == [True, False, True, False]


def test_a_wav_whose_end_is_missing_is_flagged(hearer):
    whole = file_of(tone(1))
    (heard, cut) = hear(hearer, whole, whole[:2000])
    assert (heard.truncated, heard.flags) == (False, ())
    assert (cut.truncated, cut.flags) == (True, ("cut short",))


def test_spoken_files_can_be_read(vits):
    (result,) = speak(vits, "hello")
    assert len(read(result.media.data, RATE)) > 0
