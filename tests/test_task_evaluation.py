"""Special models and language models on labelled rows of one's own: measured, stored, resumed, compared, chosen."""

import csv
import json
import re

import pytest
from click.testing import CliRunner

import llms
from llms import settings
from llms.benchmarks.task import declare_task
from llms.cli.main import cli
from llms.data.labelled import read_labelled
from llms.errors import DataError, LlmsError, UsageError
from llms.evaluation.config import EvalConfig
from llms.models.task_model import TaskInput, TaskOutput
from llms.store.runs import Runs
from llms.tasks.catalogue import TASKS, find_task
from llms.values import Completion, Failure, Identity
from llms.workbench.evaluate import evaluate_all
from llms.workbench.task_data import choose_task
from llms.workbench.task_system import TaskSystem, task_names
from test_task_model import alone, save_classifier

LABELS = ("positive", "negative", "neutral")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "home"))
    return tmp_path


def write(path, rows, columns=("text", "label", "who")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return str(path)


def rows(count=30):
    return [(f"text {i} is {'good' if i % 3 else 'bad'}", LABELS[i % 3], "ab"[i % 2]) for i in range(count)]


def run(*arguments):
    return CliRunner(catch_exceptions=False).invoke(cli, [*map(str, arguments)])


def objects(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_special_model_is_measured_as_transformers_answers(classifier, home):
    data = write(home / "my.csv", rows())
    expected = [max(chances := alone(classifier, text), key=chances.get) for text, _, _ in rows()]
    (report,) = objects(run("eval", f"hf:{classifier}", "--task", "sentiment", "--data", data, "--by", "who", "--json"))
    right = [answer == label for answer, (_, label, _) in zip(expected, rows(), strict=True)]
    assert report["scores"]["accuracy"]["value"] == pytest.approx(sum(right) / 30)
    assert list(report["scores"]) == ["accuracy", "macro_f1"]
    assert report["scores"]["macro_f1"]["method"].startswith("bootstrap")
    assert (report["n"], report["failed"], report["benchmark"], report["task"]) == (30, 0, "sentiment:my", "sentiment")
    assert report["headline"] == "accuracy"
    assert report["chance"] == pytest.approx(1 / 3)
    assert list(report["groups"]["who"]) == ["a", "b"]
    assert report["seconds"] > 0 < report["peak_memory_bytes"]
    assert report["tokens"] == sum(len(text) for text, _, _ in rows())
    answers = [each["extracted"] for each in objects(run("samples", report["run"], "--json"))]
    assert answers == expected
    (row,) = objects(run("leaderboard", "--json"))
    assert (row["benchmark"], row["run"]) == ("sentiment:my", report["run"])


def test_what_is_stored_is_not_asked_again(classifier, home):
    data = write(home / "my.csv", rows())
    config = EvalConfig(task="sentiment", data=data)
    for limit, asked in ((10, 10), (None, 20), (None, 0)):
        events = list(evaluate_all([f"hf:{classifier}"], [], EvalConfig(task="sentiment", data=data, limit=limit)))
        assert events[-1].n == (limit or 30)
        resumed = max(getattr(event, "resumed", 0) for event in events)
        assert events[-1].n - resumed == asked
    with Runs(settings.database()) as store:
        (stored,) = store.all()
        assert stored.key.config.task == config.task


def test_python_measures_a_task(classifier, home):
    data = write(home / "my.csv", rows())
    result = llms.evaluate(f"hf:{classifier}", task="sentiment", data=data)
    assert list(result.scores) == ["sentiment:my"]
    assert len(result.outcomes["sentiment:my"]) == 30
    assert "accuracy" in repr(result)
    with pytest.raises(UsageError, match="name the benchmarks"):
        llms.evaluate(f"hf:{classifier}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "sentimant", "--data", "my.csv"], "sentiment"),
        (["--task", "sentiment"], "columns text, label"),
        (["--task", "sentiment", "--data", "none.csv"], "does not exist"),
        (["--task", "sentiment", "--data", "my.csv", "-b", "gsm8k"], "leave out -b"),
        (["--task", "sentiment", "--data", "my.csv", "--shots", "3"], "--shots and --chat-template mean nothing"),
        (["--task", "sentiment", "--data", "my.csv", "--scorer", "contains"], "--scorer means nothing"),
        (["--task", "sentiment", "--data", "my.csv", "--by", "age"], "its metadata: who"),
        (["--task", "text-generation", "--data", "my.csv"], "has no metric"),
        (["--task", "entities", "--data", "my.csv"], "no column 'entities'; found text, label, who"),
        (["--task", "sentiment", "--data", "my.csv", "--labels", "good,Good"], "the label 'Good' is named twice"),
        (["--task", "sentiment", "--data", "my.csv", "--labels", " , "], "--labels ' , ' names nothing"),
        (["--task", "sentiment", "--data", "my.csv", "--to", "de"], "sentiment takes no target (--to)"),
        (["--way", "prompt", "-b", "gsm8k"], "--way goes with --task"),
    ],
)
def test_a_wrong_command_is_told_why(classifier, home, monkeypatch, arguments, message):
    write(home / "my.csv", rows())
    monkeypatch.chdir(home)
    with pytest.raises(LlmsError, match=re.escape(message)):
        run("eval", f"hf:{classifier}", *arguments)


BAD = [
    (
        "sentiment",
        [{"text": "a", "label": "x"}, {"text": " ", "label": "x"}],
        "row 2: column 'text' is empty; expected a text",
    ),
    ("sentiment", [{"text": "a", "label": "x"}, {"text": "b"}], "row 2: column 'label' is missing; expected a label"),
    ("sentiment", [{"text": "a", "label": ["x"]}], "row 1: column 'label' is ['x']"),
    ("entities", [{"text": "Ann", "entities": "what"}], "row 1: column 'entities' is 'what'; expected a JSON list"),
    ("entities", [{"text": "Ann", "entities": [{"start": 0}]}], "expected of each entity start, end, label"),
    (
        "entities",
        [{"text": "Ann", "entities": [{"start": 0, "end": 9, "label": "P"}]}],
        "'0 to 9'; expected 0 <= start < end <= 3",
    ),
    ("entities", [{"text": "A  B", "entities": [{"start": 1, "end": 3, "label": "P"}]}], "not blanks alone"),
    (
        "entities",
        [{"text": "Ann", "entities": [{"start": 0, "end": 2, "label": "P", "text": "Ann"}]}],
        "expected 'An', which stands",
    ),
    (
        "entities",
        [{"text": "Ann Lee", "entities": [{"start": 0, "end": 7, "label": "P"}, {"start": 4, "end": 7, "label": "p"}]}],
        "apart from each other",
    ),
    ("question-answering", [{"context": "a", "question": "b", "answer": {"x": 1}}], "column 'answer' is"),
    (
        "speech-to-text",
        [{"audio": "none.wav", "text": "a"}],
        "row 1: column 'audio' is 'none.wav'; expected a file that can be read",
    ),
    ("image-classification", [{"image": "", "label": "a"}], "column 'image' is empty; expected the path of a file"),
    ("embeddings", [{"query": "a", "relevant": "|"}], "expected the passages that answer the query"),
    ("translation", [{"source": "a", "target": None}], "column 'target' is missing"),
]


@pytest.mark.parametrize(("task", "content", "message"), BAD)
def test_a_bad_row_is_named_before_anything_is_asked(tmp_path, task, content, message):
    path = tmp_path / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_labelled(path, find_task(task).columns, task)
    assert str(path) in str(caught.value)


def test_several_bad_rows_are_named_at_once(tmp_path):
    data = write(tmp_path / "my.csv", [("", "x", "")] * 9 + [("fine", "x", "")])
    with pytest.raises(DataError, match=r"row 1: .* row 5: .* and 4 more rows"):
        read_labelled(tmp_path / "my.csv", ("text", "label"), "sentiment")
    assert data


def test_rows_come_in_any_encoding_and_their_columns_in_any_case(tmp_path):
    path = tmp_path / "my.csv"
    path.write_bytes(" Text ;LABEL;Größe\nschön;gut;1\nübel;schlecht;2\n".encode("utf-16"))
    table = read_labelled(path, ("text", "label"), "sentiment")
    assert table.labels == ("gut", "schlecht")
    assert table.metadata == ("Größe",)
    assert [row["text"] for row in table.content.rows] == ["schön", "übel"]


def test_a_sound_that_changes_is_another_data_set(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF1")
    write(tmp_path / "my.csv", [("a.wav", "hello")], ("audio", "text"))
    first = read_labelled(tmp_path / "my.csv", ("audio", "text"), "speech-to-text").content.revision
    (tmp_path / "a.wav").write_bytes(b"RIFF2")
    assert read_labelled(tmp_path / "my.csv", ("audio", "text"), "speech-to-text").content.revision != first


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.metrics], ids=lambda task: task.name)
def test_a_right_answer_has_a_full_score_in_every_task(tmp_path, task):
    (tmp_path / "file").write_bytes(b"x")
    cells = {
        "text": "Ann is here now", "label": "good", "entities": [{"start": 0, "end": 3, "label": "PER"}], "summary": "Ann is here now",
        "source": "Anna ist hier", "target": "Ann is here now", "context": "Ann is here", "question": "Who?", "answer": "Ann",
        "audio": "file", "image": "file", "query": "who", "relevant": ["Ann", "Bob"],
    }  # fmt: skip
    right = {
        "spans": json.dumps(cells["entities"]),
        "answer": "Ann",
        "vector": "[0, 1]",
        "label": "GOOD",
        "words": "good",
    }
    right |= {"text": "Ann" if "question" in task.columns else "Ann is here now", "transcript": "Ann is here now"}
    path = tmp_path / "my.jsonl"
    lines = [{name: row[name] for name in task.columns} for row in (cells, {**cells, "relevant": ["Eve", "Kim"]})]
    path.write_text("\n".join(map(json.dumps, lines)))
    table = read_labelled(path, task.columns, task.name)
    benchmark, row = declare_task(task, table), table.content.rows[0]
    grade = benchmark.grade(row, completion(right[task.gives]))
    wrong = benchmark.grade(row, completion({"spans": "[]", "vector": "[2, 3]"}.get(task.gives, "zzz")))
    leading = benchmark.views["default"].headline
    better_low = {"wer", "cer", "wer_normalized"}
    assert all(
        score == pytest.approx(float(name not in better_low))
        for name, score in grade.scores.items()
        if name != "recall@1"
    )
    assert wrong.scores[leading] < 0.6
    assert set(task.metrics) <= {*grade.scores, *grade.counts}
    assert benchmark.task_input(row) != TaskInput()


def completion(text):
    return (Completion(text, 1, "stop"),)


def test_names_of_systems_say_the_way(classifier, home):
    config = EvalConfig(task="sentiment", way=("prompt", "choice"))
    assert task_names([f"hf:{classifier}"], config) == [f"hf:{classifier}"]
    assert task_names(["smollm2", "smollm2 (choice)"], config) == ["smollm2 (prompt)", "smollm2 (choice)"]
    with pytest.raises(UsageError, match="not by choice"):
        task_names(["smollm2 (choice)"], EvalConfig(task="entities"))
    with pytest.raises(UsageError, match="special models only"):
        task_names(["smollm2"], EvalConfig(task="fill-mask"))
    with pytest.raises(UsageError, match="no special model"):
        task_names(["smollm2"], EvalConfig(task="sentiment", way=("special",)))


class LetterCounts:
    """A TaskModel whose vectors count the letters of a text; a text without any has none."""

    task = "embeddings"
    identity = Identity("letters", "1")

    def answer(self, inputs):
        for index, each in enumerate(inputs):
            vector = tuple(float(each.text.count(letter)) for letter in "abcdefgh")
            yield index, TaskOutput("", vector=vector) if any(vector) else Failure("infra", "no letter")

    def close(self):
        pass


def retrieval(tmp_path, rows):
    path = tmp_path / "search.jsonl"
    path.write_text("\n".join(json.dumps({"query": query, "relevant": relevant}) for query, relevant in rows))
    task = find_task("embeddings")
    table = read_labelled(path, task.columns, task.name)
    system, benchmark = TaskSystem(task, "hf:./letters", LetterCounts(), None, table), declare_task(task, table)
    answers = dict(system.complete_tasks(benchmark.task_input(row) for row in table.content.rows))
    return table, benchmark, [answers[index] for index in range(len(rows))]


def test_all_passages_of_the_file_are_searched_by_angle(tmp_path):
    rows = [("a", ["aaaa", "aab"]), ("bb", ["b"]), ("cd", ["ccdd", "e"])]
    table, benchmark, answers = retrieval(tmp_path, rows)
    assert table.passages == ("aaaa", "aab", "b", "ccdd", "e")
    assert [json.loads(answer.text)[0] for answer in answers] == [0, 2, 3]
    grades = [benchmark.grade(row, (answer,)) for row, answer in zip(table.content.rows, answers, strict=True)]
    assert [grade.scores["recall@1"] for grade in grades] == [0.5, 1, 0.5]
    assert [grade.scores["recall@10"] for grade in grades] == [1, 1, 1]
    assert grades[0].scores["ndcg@10"] == grades[1].scores["ndcg@10"] == 1 > grades[2].scores["ndcg@10"]


def test_a_passage_without_a_vector_fails_every_query_and_says_which(tmp_path):
    _, _, answers = retrieval(tmp_path, [("a", ["a"]), ("b", ["123"])])
    assert [answer.reason for answer in answers] == ["passage '123' has no vector: no letter"] * 2


def test_labels_that_lack_one_of_the_file_are_refused(home):
    config = EvalConfig(task="sentiment", data=write(home / "my.csv", rows()), labels=["positive", "neutral"])
    with pytest.raises(UsageError, match=r"--labels lacks negative, of rows in .*my.csv, which no answer could get"):
        choose_task([], config)


def test_more_labels_than_the_file_has_make_chance_rarer(home):
    config = EvalConfig(task="sentiment", data=write(home / "my.csv", rows()), labels=[*LABELS, "mixed"])
    assert choose_task([], config)[1].chance == 1 / 4


def test_a_way_that_is_none_is_refused_even_where_only_special_models_are_measured(home):
    config = EvalConfig(task="sentiment", data=write(home / "my.csv", rows()), way=["guess"])
    with pytest.raises(UsageError, match="--way guess is not known; sentiment is done by special, prompt, choice"):
        choose_task([], config)
