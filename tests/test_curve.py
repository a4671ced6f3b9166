"""Losses as text: four places where they say something, significant digits where they would not."""

import pytest

from llms.training.curve import draw_curve, loss_text


@pytest.mark.parametrize(
    ("loss", "places", "text"),
    [
        (2.30259, 4, "2.3026"),
        (0.0012, 4, "0.0012"),
        (0.00012, 4, "0.00012"),
        (0.0000312, 4, "3.1e-05"),
        (0.0, 4, "0.0000"),
        (-0.00002, 4, "-2e-05"),
        (float("nan"), 4, "nan"),
        (1.23456, 3, "1.235"),
        (0.0123, 3, "0.012"),
        (0.00123, 3, "0.0012"),
    ],
)
def test_a_small_loss_keeps_its_digits_and_no_other_grows(loss, places, text):
    assert loss_text(loss, places) == text


def test_the_ends_of_a_curve_of_small_losses_differ():
    lines = draw_curve([(1, 4e-5), (2, 1e-5)], width=4, height=2)
    assert [line.partition(" ┤")[0].strip() for line in lines] == ["4e-05", "1e-05"]
