"""Sound in blocks, silence in it, and text that loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.errors import DataError
from llms.models.task_model import Segment
from llms.tasks.doubt import compression_ratio, flag_equal_runs, flagged, repeats, too_fast
from llms.tasks.sound import Recording, resample
from llms.tasks.voice_activity import FRAME_SECONDS, cut_at_silence, speech_mask
from tiny_sound import RATE, file_of, silence, tone

WINDOW = 30.0
STRETCHES = st.lists(
    st.tuples(st.floats(0.2, 70), st.sampled_from([0.0, 0.0005, 0.004, 0.1, 0.5])), min_size=1, max_size=8
)


def noise(seconds, amplitude, seed=0):
    return (np.random.default_rng(seed).standard_normal(round(seconds * 1000)) * amplitude).astype("float32")


@settings(max_examples=60, deadline=None)
@given(STRETCHES)
def test_stretches_hold_all_speech_are_apart_and_fit_the_window(rows):
    samples = np.concatenate([noise(*row, index) for index, row in enumerate(rows)])
    with Recording(file_of(samples, 1000, subtype="FLOAT")) as recording:
        loudness = recording.loudness(FRAME_SECONDS)
    assert loudness.seconds == len(samples) / 1000
    mask = speech_mask(loudness)
    stretches = cut_at_silence(loudness, mask, WINDOW)
    borders = [moment for one in stretches for moment in (one.start, one.end)]
    assert borders == sorted(borders)
    assert all(0 < one.end - one.start <= WINDOW + 1e-6 for one in stretches)
    assert not borders or borders[-1] <= loudness.seconds
    middles = (np.flatnonzero(mask) + 0.5) * loudness.frame_seconds
    outside = [m for m in middles if not any(one.start <= m <= one.end for one in stretches)]
    assert len(outside) * loudness.frame_seconds <= 0.1 * (len(rows) + loudness.seconds / 20)  # clicks alone


def test_a_long_speech_is_cut_where_it_is_quietest():
    samples = np.concatenate([noise(26, 0.3), noise(0.5, 0.02, 1), noise(33, 0.3, 2)])
    with Recording(file_of(samples, 1000, subtype="FLOAT")) as recording:
        loudness = recording.loudness(FRAME_SECONDS)
    first, second, *_ = cut_at_silence(loudness, speech_mask(loudness), WINDOW)
    assert 26 <= first.end <= 26.5
    assert second.start == pytest.approx(first.end, abs=0.5)


def test_a_quiet_voice_counts_in_a_quiet_room_and_a_fan_does_not():
    fan, loud, quiet = noise(60, 0.002), noise(10, 0.3, 1), noise(10, 0.01, 2)
    samples = np.concatenate([fan, loud, fan, quiet, fan])
    samples += noise(len(samples) / 1000, 0.0005, 3)
    with Recording(file_of(samples, 1000, subtype="FLOAT")) as recording:
        loudness = recording.loudness(FRAME_SECONDS)
    mask = speech_mask(loudness)
    share = {name: mask[round(a / FRAME_SECONDS) : round(b / FRAME_SECONDS)].mean() for name, a, b in [
        ("fan", 5, 55), ("loud", 60, 70), ("quiet", 131, 139), ("later", 150, 195),
    ]}  # fmt: skip
    assert share["loud"] > 0.95
    assert share["quiet"] > 0.95
    assert share["fan"] < 0.05
    assert share["later"] < 0.05


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_part_is_read_as_if_all_had_been_read(kind, rate):
    samples = tone(3, rate) + tone(3, rate, 1234.5) / 3
    with Recording(file_of(samples, rate, kind)) as recording:
        own = np.concatenate(list(recording.blocks(777)))
        whole = resample(own, rate, RATE)
        for start, stop in [(0, 500), (1, 2), (15_997, 31_111), (40_000, 48_000), (47_000, 60_000), (0, len(whole))]:
            part = recording.read(start, stop, RATE)
            assert part.shape == whole[start:stop].shape
            assert np.abs(part - whole[start:stop]).max(initial=0) < 2e-4
        assert recording.seconds == pytest.approx(len(own) / rate)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused_by_their_place(wrong):
    samples = np.concatenate([tone(0.1), np.full(800, wrong)]).astype("float32")
    with (
        Recording(file_of(samples, subtype="FLOAT")) as recording,
        pytest.raises(DataError, match=r"(nan|inf) at 0\.1"),
    ):
        recording.read(0, len(samples), RATE)


def test_frames_of_an_odd_rate_do_not_drift():
    samples = np.concatenate([silence(600, 11_025), tone(5, 11_025), silence(5, 11_025)])
    with Recording(file_of(samples, 11_025)) as recording:
        loudness = recording.loudness(FRAME_SECONDS)
    (stretch,) = cut_at_silence(loudness, speech_mask(loudness), WINDOW)
    assert stretch.start == pytest.approx(599.76, abs=0.05)


LOOPS = ["thank you " * 12, "no no no no no no no no no", "ja " * 40, "哈" * 30, "so then we go and " * 5, "a" * 200]
SPEECH = [
    "Good morning. We have three points today: the budget, the new hall, and who writes the minutes next time.",
    "no, no, no, that is not what I meant",
    "",
    "Ja.",
    "I think that that is right, and that that was right before, too.",
    "今日の会議では予算と新しいホールについて話し合います。",
]


@pytest.mark.parametrize("text", LOOPS)
def test_loops_are_seen(text):
    assert repeats(text)


@pytest.mark.parametrize("text", SPEECH)
def test_what_people_say_is_no_loop(text):
    assert not repeats(text)
    assert compression_ratio(text) < 2.4


def test_segments_that_say_the_same_again_and_again_are_flagged():
    rows = [
        Segment(i, i + 1, text) for i, text in enumerate(["Hello.", "Thanks!", " thanks!", "Thanks!", "Bye.", "Bye."])
    ]
    assert [one.flags for one in flag_equal_runs(rows)] == [(), ("repeats",), ("repeats",), ("repeats",), (), ()]


def test_more_than_anybody_can_say_is_flagged():
    text = "We have three points today: the budget, the new hall, and the minutes."
    assert too_fast(Segment(3.0, 4.0, text))
    assert not too_fast(Segment(3.0, 8.0, text))
    assert not too_fast(Segment(3.0, 3.1, "Ja."))
    assert flagged([Segment(3.0, 3.0, text), Segment(4.0, 9.0, text)], False)[0].flags == ("too fast",)
    assert [one.flags for one in flagged([Segment(0, 9, "Yes."), Segment(9, 10, "Yes.")], True)] == [("repeats",)] * 2
