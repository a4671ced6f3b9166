"""Conversations come back as they were, are found by any words, and are gone when they are deleted."""

import io
import json
import sqlite3
import string
import threading
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)

from llms.chat.conversation.markdown import markdown
from llms.chat.conversation.messages import digest, document, dump, index, load, user, visible
from llms.chat.conversation.tree import Conversation, may_become, new_id, title_of
from llms.errors import DataError, StoreError, UnknownName, UsageError
from llms.store import chat_runs, transfer
from llms.store.conversations import INLINE_BYTES, Conversations
from llms.store.search import parse, search

PICTURE = BinaryContent(data=b"\x89PNG not one", media_type="image/png")


@pytest.fixture
def store(tmp_path):
    with Conversations(tmp_path / "x.sqlite3") as store:
        yield store


def says(text: str) -> ModelResponse:
    return ModelResponse(parts=[TextPart(text)])


def talk_of(*messages, id: str | None = None) -> Conversation:
    talk = Conversation(id or new_id())
    for message in messages:
        talk = talk.append(message, "m" if isinstance(message, ModelResponse) else "user")
    return talk


def branched() -> Conversation:
    talk = talk_of(
        ModelRequest(parts=[SystemPromptPart("be brief")]), user("one"), says("eins"), user("two"), says("zwei")
    )
    second = talk.path()[3].id
    return talk.edit(second, user("zwo", [PICTURE, document("a.txt", "attached words")])).append(says("drei"), "m")


def same(one: Conversation, two: Conversation) -> bool:
    def plain(talk):
        return [(n, dump(n.message)) for n in talk.nodes.values()], talk.leaf, talk.origin

    return plain(one) == plain(two)


MESSAGES = st.one_of(
    st.builds(user, st.text(max_size=30)),
    st.builds(lambda data, text: user(text, [BinaryContent(data=data, media_type="audio/wav")]), st.binary(max_size=20), st.text()),
    st.builds(says, st.text(max_size=30)),
    st.builds(lambda t, a: ModelResponse(parts=[ThinkingPart(t), ToolCallPart("f", a, "1")]), st.text(), st.dictionaries(st.text(), st.none() | st.text())),
    st.builds(lambda c: ModelRequest(parts=[ToolReturnPart("f", c, "1")]), st.recursive(st.none() | st.text(), st.lists)),
)  # fmt: skip


@given(MESSAGES)
def test_a_message_survives_its_json(message):
    text, blobs = dump(message)
    again = load(text, blobs.__getitem__)
    assert dump(again) == (text, blobs)
    assert index(again) == index(message)
    assert digest(again, "x") == digest(message, "x")


def test_a_lone_surrogate_is_replaced_and_nothing_else():
    message = ModelRequest(parts=[ToolReturnPart("f", "😀 \ud800 \\ud800", "1")])
    assert load(dump(message)[0], {}.get).parts[0].content == "😀 \ufffd \\ud800"
    assert visible(user("a\udcffb")) == "a\ufffdb"


def test_what_looks_like_an_attachment_is_left_as_it_is():
    message = ModelRequest(parts=[ToolReturnPart("f", {"kind": "binary", "data": "no base64!", "_files": 1}, "1")])
    text, blobs = dump(message)
    assert not blobs
    assert load(text, blobs.__getitem__).parts[0].content == message.parts[0].content


def test_editing_regenerating_and_switching_lose_nothing():
    talk = talk_of(user("a"), says("b"), user("c"), says("d"))
    first = talk.path()
    edited = talk.edit(first[2].id, user("C")).append(says("D"), "m")
    assert [visible(n.message) for n in edited.path()] == ["a", "b", "C", "D"]
    again = edited.regenerate(first[1].id).append(says("B"), "m")
    assert [visible(n.message) for n in again.path()] == ["a", "B"]
    back = again.switch(first[1].id)
    assert [visible(n.message) for n in back.path()] == ["a", "b", "C", "D"]
    assert [visible(n.message) for n in back.switch(first[2].id).path()] == ["a", "b", "c", "d"]
    by_hand = talk.edit(first[3].id, says("mine"))
    assert by_hand.nodes[by_hand.leaf].author == "user"
    assert by_hand.nodes[by_hand.leaf].edited_from == first[3].id
    assert len(again.nodes) == 7
    assert [n.id for n in talk.path()] == [n.id for n in first]
    with pytest.raises(UsageError, match="by the assistant; its edit is by the user"):
        talk.edit(first[1].id, user("x"))
    with pytest.raises(UsageError, match="only an answer"):
        talk.regenerate(first[0].id)
    with pytest.raises(UnknownName):
        talk.switch("nowhere")


def test_equal_beginnings_have_equal_digests_and_times_do_not_count():
    one, two = talk_of(user("a"), says("b")), talk_of(user("a"), says("b"))
    assert [n.digest for n in one.path()] == [n.digest for n in two.path()]
    assert talk_of(user("x"), says("b")).path()[1].digest != one.path()[1].digest


def test_a_fork_copies_the_path_and_knows_its_origin():
    talk = branched()
    fork = talk.fork(talk.path()[2].id)
    assert fork.origin == (talk.id, talk.path()[2].id)
    assert [n.digest for n in fork.path()] == [n.digest for n in talk.path()[:3]]
    assert not fork.nodes.keys() & talk.nodes.keys()


def test_a_final_message_never_changes_and_nothing_follows_one_that_is_being_written():
    assert may_become("streaming", "stopped")
    assert not may_become("complete", "failed")
    talk = talk_of(user("a")).append(says(""), "m", "streaming")
    with pytest.raises(UsageError, match="still being written"):
        talk.append(user("b"))


def test_ten_thousand_messages_deep():
    talk = talk_of(*(user(str(n)) for n in range(50)))
    nodes = dict(talk.nodes)
    parent = talk.leaf
    for n in range(10_000):
        node = type(talk.path()[0])(f"n{n}", parent, "user", f"d{n}", lambda: user("x"), used=100 + n)
        nodes[node.id], parent = node, node.id
    deep = Conversation(talk.id, nodes, parent)
    assert len(deep.path()) == 10_050
    assert deep.latest_leaf(deep.path()[0].id) == "n9999"
    assert len(deep.fork("n9999").path()) == 10_050


def test_titles_come_from_the_first_line():
    assert title_of(user("\n## **Plan** the `trip`\nand more")) == "Plan the trip"
    assert title_of(user("word " * 40)).endswith("word…")
    assert len(title_of(user("x" * 200))) == 61


def test_a_conversation_comes_back_with_all_its_branches(store):
    talk = branched()
    store.save(talk, model="m")
    assert same(store.open(talk.id), talk)
    assert store.about(talk.id).title == "one"
    more = talk.append(user("again"))
    store.save(more, talk)
    assert same(store.open(talk.id), more)
    back = more.switch(talk.path()[1].id)
    store.save(back, more)
    assert store.open(talk.id).leaf == back.leaf
    assert store.find(talk.id[:20]) == store.find("last") == talk.id
    with pytest.raises(UnknownName):
        store.open("nothing")


def test_a_streaming_message_is_finished_once(store):
    talk = talk_of(user("a"))
    store.save(talk)
    streaming = talk.append(ModelResponse(parts=[]), "m", "streaming")
    node = streaming.nodes[streaming.leaf]
    store.add(talk.id, node)
    store.write(node.id, says("half"))
    assert visible(store.open(talk.id).nodes[node.id].message) == "half"
    done = store.finish(node.id, says("whole"), "complete")
    assert done.digest == digest(says("whole"), talk.path()[0].digest)
    with pytest.raises(UsageError, match="is complete"):
        store.finish(node.id, says("other"), "stopped")
    with pytest.raises(StoreError, match="final"), store.transaction() as db:
        db.execute("UPDATE nodes SET message = '{}' WHERE id = ?", (node.id,))


def test_a_parent_is_of_the_same_conversation(store):
    one, two = talk_of(user("a")), talk_of(user("b"))
    store.save(one)
    store.save(two)
    wrong = two.append(user("c"))
    node = wrong.nodes[wrong.leaf]
    object.__setattr__(node, "parent", one.leaf)
    with pytest.raises(StoreError):
        store.save(wrong, two)


def test_large_attachments_lie_beside_the_file_once(store, tmp_path):
    big = BinaryContent(data=bytes(INLINE_BYTES + 1), media_type="image/png")
    talks = [talk_of(user("see", [big])), talk_of(user("see again", [big]))]
    for talk in talks:
        store.save(talk)
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert same(store.open(talks[0].id), talks[0])
    store.delete(talks[0].id)
    assert files[0].exists()
    store.delete(talks[1].id)
    assert not files[0].exists()


def test_deleted_means_deleted(store, tmp_path):
    talk = talk_of(user("the secretword alpha", [document("x.txt", "secretfile")]), says("secretanswer"))
    store.save(talk)
    other = talk_of(user("kept"))
    store.save(other)
    journal = chat_runs.begin(store, talk.id, talk.leaf)
    journal.end("finished", "answered")
    store.delete(talk.id)
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for word in (b"secretword", b"secretfile", b"secretanswer", b"alpha"):
        assert word not in content
    assert b"kept" in content


def test_tags_titles_and_the_archive(store):
    talk = talk_of(user("first question"))
    store.save(talk)
    store.tag(talk.id, ["Work stuff", "x"], ["x"])
    assert store.about(talk.id).tags == ("work-stuff",)
    assert [c.id for c in store.all(tag="work-stuff")] == [talk.id]
    store.rename(talk.id, "  My  title ")
    assert store.about(talk.id).title == "My title"
    assert search(store, "title")[0].node is None
    store.rename(talk.id, "")
    assert store.about(talk.id).title == "first question"
    store.archive(talk.id)
    assert store.all() == []
    assert len(store.all(archived=True)) == 1


def found(store, text, **how):
    return [hit.node for hit in search(store, text, **how)]


def test_search_finds_words_beginnings_phrases_and_accents(store):
    talk = talk_of(user("Herr Müller fährt nach München"), says("Er kommt morgen an."))
    store.save(talk)
    asked, answered = (n.id for n in talk.path())
    store.rename(talk.id, "Reise")
    assert found(store, "muller") == [asked]
    assert found(store, "munch") == [asked]
    assert found(store, "munch ") == []
    assert found(store, '"morgen an"') == [answered]
    assert found(store, '"an morgen"') == []
    assert found(store, "müller morgen") == []
    assert found(store, "ünche", inside=True) == [asked]
    assert search(store, "muller", mark=("<", ">"))[0].snippet == "Herr <Müller> fährt nach München"
    assert found(store, "reise") == [None]


def test_search_finds_inside_scripts_without_spaces(store):
    talk = talk_of(user("今日は東京に行きます"), says("東京は大きい都市です。"))
    store.save(talk)
    asked, answered = (n.id for n in talk.path())
    store.rename(talk.id, "x")
    assert found(store, "東京に") == [asked]
    assert set(found(store, "東京")) == {asked, answered}
    assert found(store, "東京 大きい") == [answered]


def test_search_leaves_out_reasoning_and_tools_and_ranks_attachments_lower(store):
    talk = talk_of(
        user("see", [document("a.txt", "needle in a file")]),
        ModelResponse(parts=[ThinkingPart("thoughtword"), ToolCallPart("f", {"q": "argword"}, "1")]),
        ModelRequest(parts=[ToolReturnPart("f", "resultword", "1")]),
        says("the needle itself"),
    )
    store.save(talk)
    assert found(store, "needle") == [talk.path()[3].id, talk.path()[0].id]
    assert found(store, "thoughtword") == found(store, "argword") == found(store, "resultword") == []


def test_search_filters_and_tells_whether_the_path_is_active(store):
    talk = branched()
    store.save(talk, model="openai:gpt-x")
    store.tag(talk.id, ["trip"])
    old = next(n for n in talk.nodes.values() if visible(n.message) == "zwei")
    hits = {hit.node: hit.active for hit in search(store, "zw")}
    assert hits == {old.id: False, talk.path()[3].id: True}
    assert found(store, "tag:trip zwei") == [old.id]
    assert found(store, "tag:other zwei") == []
    assert found(store, "model:GPT zwei") == [old.id]
    assert found(store, "before:2020 zwei") == []
    assert found(store, "after:2020-01 zwei") == [old.id]
    assert found(store, "tag:trip") != []
    back = talk.switch(old.id)
    store.save(back, talk)
    assert {hit.node: hit.active for hit in search(store, "zw")}[old.id]


HOSTILE = ['"', '""', "'", "*", "a*b", "NEAR(", "a AND", "OR", "(", ")", "-", "a-b", "col:x", "tag:", 'tag:"', "before:99",
           "before:2024-99-99", "\0", "\ud800", "{}", "^a", "a\0b", "%", "\\", '"a', "日", "a" * 10_000, "a " * 5000, '" AND "',
           "+", "title : x", "🇩🇪", "\u0301"]  # fmt: skip


@given(
    st.one_of(st.text(), st.text(alphabet=string.punctuation + " abORAND\"'"), st.sampled_from(HOSTILE)), st.booleans()
)
def test_no_text_is_a_bad_query(text, inside):
    search(STORE, text, inside=inside)
    parse(text)


STORE = Conversations.in_memory()
STORE.save(talk_of(user("a b AND OR NEAR 日本語"), says("x")))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_queries(text):
    search(STORE, text)


def exported(store) -> bytes:
    target = io.BytesIO()
    transfer.write(store, [c.id for c in store.all()], target)
    return target.getvalue()


def lines(archive: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return sorted(file.read("conversations.jsonl").decode().splitlines()) + sorted(file.namelist())


def test_our_own_export_comes_back_byte_for_byte(store, tmp_path):
    talk = branched()
    store.save(talk, policy="summarise", project="p")
    store.save(talk.fork(talk.leaf))
    store.tag(talk.id, ["a", "b"])
    archive = exported(store)
    (tmp_path / "x.zip").write_bytes(archive)
    with Conversations(tmp_path / "other" / "y.sqlite3") as other:
        dry = transfer.read(other, tmp_path / "x.zip", dry_run=True)
        assert other.all() == []
        report = transfer.read(other, tmp_path / "x.zip")
        assert report == dry
        assert sorted(report.taken) == [("one", 5), ("one", 7)]
        assert not report.skipped
        assert lines(exported(other)) == lines(archive)
        assert all(node.imported for node in other.open(talk.id).nodes.values())
        assert talk.path()[3].id in found(other, "attached")
        again = transfer.read(other, tmp_path / "x.zip")
        assert (again.taken, again.present) == ((), 2)
        other.save(other.open(talk.id).append(user("new here")), other.open(talk.id))
        assert transfer.read(other, tmp_path / "x.zip").taken == ()


def test_what_is_being_written_is_not_exported(store, tmp_path):
    talk = talk_of(user("a"))
    store.save(talk)
    writing = talk.append(ModelResponse(parts=[]), "m", "streaming")
    store.add(talk.id, writing.nodes[writing.leaf])
    (tmp_path / "x.zip").write_bytes(exported(store))
    with Conversations.in_memory() as other:
        assert transfer.read(other, tmp_path / "x.zip").taken == (("a", 1),)
        assert other.open(talk.id).leaf == talk.leaf


def damaged(archive: bytes, change) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target.getvalue()


def test_damage_is_reported_message_by_message(store, tmp_path):
    store.save(branched())
    archive, path = exported(store), tmp_path / "x.zip"

    def take(change):
        path.write_bytes(damaged(archive, change))
        with Conversations.in_memory() as other:
            return transfer.read(other, path)

    def lose_blobs(name, content):
        return None if name.startswith("blobs/") else content

    def break_line(name, content):
        return content.replace(b'"kind":', b'"kand":', 1) if name == "conversations.jsonl" else content

    assert take(lose_blobs).skipped[0][1].endswith("is missing")
    assert take(lose_blobs).taken == (("one", 5),)
    assert take(lambda name, content: b"x" + content[1:] if name.startswith("blobs") else content).skipped
    assert take(
        lambda name, content: content + b'{"type": "later"}\nnot json\n[]\n' if "jsonl" in name else content
    ).skipped
    with pytest.raises(DataError, match="0 conversations taken"):
        take(lambda name, content: b'{"type": "node"}\n' if "jsonl" in name else content)
    path.write_bytes(b"PK no archive")
    with pytest.raises(DataError):
        transfer.read(store, path)
    newer = lambda name, content: content.replace(b'"version": 1', b'"version": 2') if "jsonl" in name else content  # noqa: E731
    with pytest.raises(DataError, match="version 2"):
        take(newer)


def gpt(**changes):
    def node(id, parent, role, content, **more):
        message = {
            "id": id,
            "author": {"role": role, "name": more.pop("name", None)},
            "content": content,
            "create_time": 1700000000.5,
        } | more
        return {"id": id, "parent": parent, "children": [], "message": message}

    text = lambda *parts: {"content_type": "text", "parts": list(parts)}  # noqa: E731
    mapping = {
        "root": {"id": "root", "parent": None, "children": ["s"], "message": None},
        "s": node("s", "root", "system", text(""), metadata={"is_visually_hidden_from_conversation": True}),
        "u": node("u", "s", "user", {"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer"}, "What is it?"]}),
        "t": node("t", "u", "assistant", {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}),
        "c": node("c", "t", "assistant", {"content_type": "code", "text": "1+1"}, recipient="python"),
        "r": node("r", "c", "tool", {"content_type": "execution_output", "text": "2"}, name="python"),
        "a": node("a", "r", "assistant", text("It is two."), metadata={"model_slug": "gpt-x"}),
        "b": node("b", "u", "assistant", text("Another answer.")),
        "odd": node("odd", "a", "robot", text("?")),
        "lost1": node("lost1", "lost2", "user", text("x")),
        "lost2": node("lost2", "lost1", "user", text("y")),
    }  # fmt: skip
    return {
        "title": "Pictures",
        "conversation_id": "abc",
        "create_time": 1700000000,
        "update_time": 1700000100,
        "current_node": "a",
        "mapping": mapping,
    } | changes


def test_an_export_of_chatgpt_is_taken_with_its_branches_and_a_report(store, tmp_path):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([gpt(), {"title": "broken"}, "nonsense", gpt(conversation_id="e", mapping={})]))
    report = transfer.read(store, path)
    assert report.taken == (("Pictures", 6),)
    assert {why for _, why in report.skipped} == {
        "it has no mapping of messages", "it has no message", "ValueError: unknown role 'robot'",
        "2 messages are not connected to the beginning",
    }  # fmt: skip
    talk = store.open(report.ids[0])
    assert [(n.role, n.author) for n in talk.path()] == [
        ("user", "user"), ("assistant", "import"), ("assistant", "import"), ("tool", "import"), ("assistant", "gpt-x")
    ]  # fmt: skip
    assert visible(talk.path()[0].message) == "[image_asset_pointer]\n\nWhat is it?"
    assert index(talk.path()[3].message)[0].more["id"] == index(talk.path()[2].message)[0].more["id"]
    assert len(talk.children(talk.path()[0].id)) == 2
    assert all(node.imported for node in talk.nodes.values())
    assert transfer.read(store, path).present == 1


@pytest.mark.parametrize("time", [1e20, -1e20, 10**400, float("nan"), float("inf"), "yesterday", None, [1]])
def test_an_odd_time_loses_no_conversation(store, tmp_path, time):
    odd = gpt(create_time=time, update_time=time)
    odd["mapping"]["u"]["message"]["create_time"] = time
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([odd]))
    report = transfer.read(store, path)
    assert report.taken == (("Pictures", 6),)
    assert visible(store.open(report.ids[0]).path()[0].message) == "[image_asset_pointer]\n\nWhat is it?"


def test_an_export_in_several_files_and_broken_ones(store, tmp_path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("conversations-000.json", json.dumps([gpt()]))
        archive.writestr("conversations-001.json", json.dumps([gpt(conversation_id="two", title="")]))
        archive.writestr("conversations-002.json", "{broken")
    report = transfer.read(store, tmp_path / "export.zip")
    assert [title for title, _ in report.taken] == ["Pictures", "[image_asset_pointer]"]
    assert "it is not JSON" in report.skipped[-1][1]
    (tmp_path / "conversations.json").write_text("[]")
    with pytest.raises(DataError, match="0 conversations taken"):
        transfer.read(store, tmp_path / "conversations.json")


def test_markdown_shows_the_active_path():
    talk = branched()
    text = markdown("Title", talk.path())
    assert text.startswith("# Title\n\n## System")
    assert "zwo" in text
    assert "zwei" not in text
    assert "*[file: a.txt]*" in text
    code = markdown("", talk_of(ModelRequest(parts=[ToolReturnPart("f", "a ``` b", "1")])).path())
    assert "````\na ``` b\n````" in code


def test_events_have_no_gaps_and_runs_one_end(store):
    from llms.chat.turn.events import Notice, from_json, to_json

    talk = talk_of(user("a"))
    store.save(talk)
    journal = chat_runs.begin(store, talk.id, talk.leaf)
    with pytest.raises(UsageError, match="is being answered"):
        chat_runs.begin(store, talk.id, talk.leaf)
    notes = [Notice(run=journal.run, seq=n, time="t", code="c", text=str(n)) for n in (1, 2)]
    journal.events(notes)
    assert chat_runs.events(store, journal.run, 1) == notes[1:]
    assert from_json(to_json(notes[0])) == notes[0]
    with pytest.raises(StoreError, match="an event is missing"):
        journal.events([Notice(run=journal.run, seq=4, time="t", code="c", text="")])
    journal.end("finished", "answered")
    with pytest.raises(StoreError, match="the run has ended"):
        journal.end("failed", "error")
    chat_runs.begin(store, talk.id, talk.leaf)


def test_a_run_of_a_dead_process_is_interrupted_and_its_text_kept(store):
    talk = talk_of(user("a"))
    store.save(talk)
    journal = chat_runs.begin(store, talk.id, talk.leaf)
    streaming = talk.append(ModelResponse(parts=[]), "m", "streaming")
    journal.add(streaming.nodes[streaming.leaf])
    journal.write(streaming.leaf, says("half"))
    assert chat_runs.recover(store) == []
    with store.transaction() as db:
        db.execute("UPDATE chat_runs SET process = ?", (chat_runs._this_process().rsplit(":", 1)[0] + ":1",))
    assert chat_runs.recover(store) == [journal.run]
    assert chat_runs.runs(store, talk.id)[0].state == "interrupted"
    node = store.open(talk.id).path()[1]
    assert (node.state, visible(node.message)) == ("interrupted", "half")


def test_a_newer_database_is_opened_for_reading(tmp_path):
    talk = talk_of(user("a"))
    with Conversations(tmp_path / "x.sqlite3") as store:
        store.save(talk)
        store.connection.execute("PRAGMA user_version = 999")
    with Conversations(tmp_path / "x.sqlite3") as store:
        assert same(store.open(talk.id), talk)
        assert "Upgrade llms" in store.note
        with pytest.raises(StoreError, match="for reading only"):
            store.save(talk.append(user("b")), talk)


def test_a_copy_is_made_before_the_file_is_converted(tmp_path, monkeypatch):
    from llms.store import database

    path = tmp_path / "x.sqlite3"
    monkeypatch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
    database.Database(path).close()
    monkeypatch.undo()
    database.Database(path).close()
    with sqlite3.connect(tmp_path / "x.sqlite3.schema1") as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    copy.close()


def test_conversations_in_memory_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Conversations.in_memory() as store:
        store.save(talk_of(user("x", [BinaryContent(data=bytes(INLINE_BYTES + 1), media_type="image/png")])))
        assert len(store.all()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('{"system": "be brief", "temperature": 0.5}', '{"system": "be brief", "temperature": 0.5}'),
        ('{"system": "be brief", "tools": ["python"], "memory": true}', '{"system": "be brief"}'),
        ('{"temperature": 99}', "{}"),
        ('{"unheard": 1}', "{}"),
        ("[1]", "{}"),
        ("{", "{}"),
    ],
)
def test_an_archive_keeps_pins_and_settings_and_no_settings_that_are_none(store, tmp_path, written, read):
    talk = talk_of(user("hello"))
    store.save(talk)
    store.pin(talk.id)
    with store.transaction() as db:
        db.execute("UPDATE conversations SET settings = ?", (written,))
    (tmp_path / "x.zip").write_bytes(exported(store))
    with Conversations.in_memory() as other:
        transfer.read(other, tmp_path / "x.zip")
        assert other.about(talk.id).pinned
        assert other.texts("SELECT settings FROM conversations") == [read]


def test_a_store_is_closed_only_once_no_thread_writes_to_it(tmp_path):
    store, begun, ended = Conversations(tmp_path / "x.sqlite3"), threading.Event(), []

    def write():
        with store.transaction() as db:
            begun.set()
            time.sleep(0.2)
            db.execute("INSERT INTO conversations (id, created, updated) VALUES ('kept', '', '')")
        ended.append("written")

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    store.close()
    ended.append("closed")
    writer.join()
    assert ended == ["written", "closed"]
    with Conversations(tmp_path / "x.sqlite3") as again:
        assert again.has("kept")
    with pytest.raises(StoreError, match="closed"):
        store.save(Conversation("late"))
