"""A local model that sees is sent pictures in a chat, in the terminal, from Python and by the page; what it is sent is looked at first."""

import asyncio
import io
import shutil
import struct
import sys
import zlib

import pytest
from PIL import Image

import llms
import sighted
from llms.chat.turn.events import UsageReported
from llms.cli.main import main
from llms.errors import ModelError
from llms.models.local.pictures import MOST_PIXELS, open_picture, open_pictures
from llms.values import Media, Message
from llms.web.service.service import ChatService

PNG = sighted.picture()


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return f"hf:{sighted.save_llava(tmp_path_factory.mktemp('llava'))}?device=cpu&dtype=float32"


def expected(name, *messages, tokens=8):
    with llms.load(name) as model:
        return "".join(delta.text for delta in model.stream(llms.models.system.Generate(messages, max_tokens=tokens)))


def test_the_terminal_sends_what_is_attached(llava, tmp_path, monkeypatch, capfd):
    (tmp_path / "a.png").write_bytes(PNG)
    words = [
        "ask",
        "-m",
        llava,
        "--attach",
        str(tmp_path / "a.png"),
        "--max-tokens",
        "8",
        "--no-store",
        "--temperature",
        "0",
        "hello",
    ]
    monkeypatch.setattr(sys, "argv", ["llms", *words])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capfd.readouterr()
    assert not end.value.code, err
    asked = Message("user", "hello", parts=(Media("image/png", PNG), "hello"))
    blind = expected(llava, Message("user", "hello"))
    assert out.strip() in (
        expected(llava, asked).strip(),
        expected(llava, Message("user", "hello", parts=("hello", Media("image/png", PNG)))).strip(),
    )
    assert out.strip() != blind.strip()
    assert "a.png: 40 × 30 pixels" in err


def test_a_chat_sends_its_pictures_again_and_counts_them_as_the_model_does(llava):
    def used(stream):
        return next(event.prompt_tokens for event in stream if isinstance(event, UsageReported))

    with llms.Chat(llava, ephemeral=True, max_tokens=8, temperature=0) as chat:
        first = used(chat.send("first", [("a.png", PNG)]))
        answer = chat.answer
        second = used(chat.send("second"))
        plain = used(chat.regenerate())
    asked = Message("user", "first", parts=("first", Media("image/png", PNG)))
    with llms.load(llava) as model:
        assert first == model.count_tokens([asked])
        history = [asked, Message("assistant", answer), Message("user", "second")]
        assert second == plain == model.count_tokens(history)
        assert model.count_tokens([asked]) == model.count_tokens([Message("user", "first")]) + 16


def test_the_page_says_which_models_see(llava, tiny, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name, source in (("sees", llava[3:].partition("?")[0]), ("reads", tiny)):
        shutil.copytree(source, tmp_path / f"models--x--{name}" / "snapshots" / "0")
    service = ChatService("smollm2")
    here = asyncio.run(service.model_choices.at_hand()).groups[0].models
    sees = {one.name: one.sees for one in here}
    assert sees["hf:x/sees"] is True
    assert not sees["hf:x/reads"]


def of_mode(mode, form="PNG"):
    return sighted.picture(form=form, mode=mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "PNG"),
        ("P", "GIF"),
        ("1", "PNG"),
        ("RGBA", "WEBP"),
        ("RGB", "BMP"),
        ("RGB", "TIFF"),
    ],
)
def test_pictures_of_every_kind_become_rgb(mode, form):
    opened = open_picture(Media("", of_mode(mode, form)))
    assert (opened.mode, opened.size) == ("RGB", (40, 30))
    assert opened.getpixel((2, 2)) >= (240, 240, 240)


def test_sixteen_bits_are_scaled_and_not_cut_off():
    out = io.BytesIO()
    Image.new("I;16", (4, 4), 0x8000).save(out, "PNG")
    assert open_picture(Media("image/png", out.getvalue())).getpixel((0, 0)) == (128, 128, 128)


def test_what_is_transparent_is_white():
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    assert open_picture(Media("image/png", out.getvalue())).getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_that_moves_is_its_first():
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(Media("image/gif", out.getvalue())).getpixel((0, 0)) == (255, 0, 0)


def test_a_picture_is_turned_as_its_camera_says():
    turned = Image.new("RGB", (20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    turned.save(out, "JPEG", exif=exif)
    assert open_picture(Media("image/jpeg", out.getvalue())).size == (10, 20)


def bomb(width, height):
    """A PNG of a few hundred bytes that says it is so large, and has no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(300))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("media", "why"),
    [
        (Media("image/png", bomb(10_000, 10_000), name="big.png"), "big.png has .*10000 × 10000.*40 million"),
        (Media("image/png", bomb(60_000, 60_000), name="big.png"), "big.png has more pixels than the 40 million"),
        (Media("image/png", b"hello", name="a.txt"), "a.txt is not a picture.*expected PNG"),
        (Media("image/png", PNG[:60], name="cut.png"), "cut.png is damaged"),
        (Media("image/png", b"", name="none.png"), "none.png is empty"),
        (Media("image/png", url="https://example.org/a.png"), "example.org/a.png, which is not fetched"),
        (Media("audio/wav", b"RIFF", name="a.wav"), "a.wav is audio/wav"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_by_name(media, why):
    with pytest.raises(ModelError, match=why):
        open_picture(media)


def test_many_large_pictures_at_once_are_refused(monkeypatch):
    monkeypatch.setattr("llms.models.local.pictures.MOST_TOGETHER", 3000)
    assert MOST_PIXELS > 3000
    assert len(open_pictures([Media("", PNG)] * 2)) == 2
    with pytest.raises(ModelError, match="3 of 4 pictures"):
        open_pictures([Media("", PNG)] * 4)
