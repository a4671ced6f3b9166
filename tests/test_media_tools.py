"""Pictures and speech by a model of an endpoint, against a real server on loopback."""

import pytest

from llms import bridge
from llms.errors import UnknownName, UsageError
from llms.tools.catalogue import find, split, toolset
from llms.tools.tool import File, ToolError
from media_endpoint import PNG, WAV, media_endpoint
from scripted import Script, failure, run


@pytest.fixture
def server():
    with media_endpoint() as server:
        yield server


def called(name, **arguments):
    """The result of the one tool of that name."""
    (tool,) = find(name)
    return bridge.run(tool(**arguments))


def test_a_picture_is_drawn_and_kept(server):
    kept = []
    tools = toolset([f"image:{server.url}#painter"], allowed=lambda *call: True,
                    keep=lambda file: kept.append(file) or "picture-1")  # fmt: skip
    _, (part,) = run(Script([("generate_image", {"prompt": "a fox", "size": "512x512"})]), tools)
    assert part.outcome == "success"
    assert part.metadata["files"] == [
        {"name": "picture.png", "media_type": "image/png", "bytes": len(PNG), "kept": "picture-1"}
    ]
    assert kept == [File("picture.png", "image/png", PNG)]
    assert server.asked[0][:2] == (
        "/v1/images/generations",
        {"model": "painter", "prompt": "a fox", "n": 1, "size": "512x512", "response_format": "b64_json"},
    )


def test_a_model_that_refuses_the_format_is_asked_without(server):
    assert called(f"image:{server.url}#strict", prompt="a fox").files[0].data == PNG
    assert len(server.asked) == 2


@pytest.mark.parametrize("model", ["address", "wrong"])
def test_what_is_no_picture_is_not_taken_for_one(server, model):
    with pytest.raises(ToolError) as caught:
        called(f"image:{server.url}#{model}", prompt="a fox")
    assert caught.value.kind == "no_picture"


def test_speech_comes_as_a_file(server):
    tools = toolset([f"speak:{server.url}#voice,voice=nova,format=wav"], allowed=lambda *call: True)
    _, parts = run(Script([("speak", {"text": "hello"}), ("speak", {"text": " "})]), tools)
    assert parts[0].metadata["files"][0] == {
        "name": "speech.wav", "media_type": "audio/wav", "bytes": len(WAV), "kept": "",
    }  # fmt: skip
    assert failure(parts[1])["type"] == "bad_arguments"
    assert server.asked[0][:2] == (
        "/v1/audio/speech",
        {"model": "voice", "voice": "nova", "input": "hello", "response_format": "wav"},
    )
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [("silent", "no_sound", "without sound"), ("wrong", "no_sound", "not MP3"), ("words", "endpoint", "not a file")],
)
def test_what_is_no_sound_is_not_taken_for_one(server, model, kind, words):
    with pytest.raises(ToolError, match=words) as caught:
        called(f"speak:{server.url}#{model}", text="x")
    assert caught.value.kind == kind


def test_an_endpoint_that_refuses_or_is_gone_is_told_in_words_without_the_key(server, monkeypatch):
    monkeypatch.setenv("LLMS_API_KEY", "sk-secret-key-of-a-test")
    for name, arguments in (("image", {"prompt": "a fox"}), ("speak", {"text": "x"})):
        with pytest.raises(ToolError, match="refuses the key") as caught:
            called(f"{name}:{server.url}#refusing", **arguments)
        assert "sk-secret-key-of-a-test" not in str(caught.value)
        assert server.asked[-1][2] == "Bearer sk-secret-key-of-a-test"
    with pytest.raises(ToolError, match="does not answer.*is it running"):
        called("image:http://127.0.0.1:9/v1#m", prompt="a fox")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("image:smollm2", "is not a model of an endpoint"),
        ("image:", "needs a model of an endpoint"),
        ("image:team:panel", "is not a model of an endpoint"),
        ("image", "write image:MODEL"),
        ("speak", "write speak:MODEL"),
        ("mcp", "write mcp:NAME"),
        ("mcp:nobody", "unknown MCP server 'nobody'"),
        ("image:openai:gpt-image-1", "cannot be used: openai: needs a key: set OPENAI_API_KEY"),
        ("speak:http://127.0.0.1:1/v1#m,voise=nova", "did you mean voice"),
        ("imag:openai:x", "did you mean image:MODEL"),
    ],
)
def test_a_name_that_is_not_enough_says_what_to_write(name, words, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match=words):
        toolset([name])


def test_a_list_of_names_keeps_options_with_their_name():
    assert split("calculator,speak:openai:tts-1,voice=nova,format=wav,mcp:notes") == [
        "calculator", "speak:openai:tts-1,voice=nova,format=wav", "mcp:notes",
    ]  # fmt: skip
    assert split("") == []


def test_both_wait_for_a_person():
    for name in ("image:http://127.0.0.1:9/v1#m", "speak:http://127.0.0.1:9/v1#m"):
        (tool,) = find(name)
        assert tool.kind == "network"
    with pytest.raises(UnknownName):
        find("painting")
