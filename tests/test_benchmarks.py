"""Prompts, grades and views of the benchmarks, on rows made here; against the reference's hashes in test_prompt_parity."""

import json
import subprocess
import sys

import pytest

from llms.benchmarks.bbh import BBH, BBH_COT, CHOICES
from llms.benchmarks.benchmark import Choices
from llms.benchmarks.catalogue import CATALOGUE, find
from llms.benchmarks.drop import DROP, golds
from llms.benchmarks.gpqa import GPQA_MAIN, choices
from llms.benchmarks.humaneval import HUMANEVAL, program
from llms.benchmarks.ifeval import IFEVAL
from llms.benchmarks.math_hard import MATH_HARD
from llms.benchmarks.mmlu_pro import MMLU_PRO, MMLU_PRO_COT
from llms.benchmarks.multipl_e import MULTIPL_E
from llms.benchmarks.multipl_e import program as translated
from llms.benchmarks.musr import MUSR
from llms.benchmarks.truthfulqa import TRUTHFULQA_GEN
from llms.benchmarks.twin import twin
from llms.errors import UsageError
from llms.values import Completion, Example, LogLikelihood


def prompt(benchmark, row, shots=(), view="default"):
    return benchmark.prompt(Example("s", 0, row), shots, benchmark.views[view])


def likely(index: int, count: int):
    return tuple(LogLikelihood(-1.0 if i == index else -50.0, False, 1) for i in range(count))


def said(text: str, finish="stop"):
    return (Completion(text, 5, finish),)


def test_all_sixteen_are_there():
    named = [
        "arc_easy",
        "arc_challenge",
        "hellaswag",
        "mmlu",
        "truthfulqa_mc1",
        "truthfulqa_mc2",
        "truthfulqa_gen",
        "winogrande",
        "gsm8k",
        "drop",
        "gpqa_main",
        "gpqa_extended",
        "gpqa_diamond",
        "bbh",
        "bbh_cot",
        "math_hard",
        "ifeval",
        "musr",
        "mmlu_pro",
        "humaneval",
    ]
    assert set(named) <= set(CATALOGUE)
    assert sum(name.startswith("multipl_e_") for name in CATALOGUE) == 18
    for view, count in (("v1", 6), ("v2", 6)):
        assert sum(view in benchmark.views for benchmark in CATALOGUE.values()) == count


def test_declarations_import_fast_and_light():
    code = (
        "import sys, time; t = time.process_time(); import llms.benchmarks.catalogue; print(time.process_time() - t); "
        "print(sorted({'torch', 'transformers', 'sacrebleu', 'math_verify', 'nltk', 'langdetect', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1] == "[]"


def test_drop_asks_bare_and_counts_the_best_gold():
    row = {"passage": "Anna has 3 cats.", "question": "How many cats?", "answers": [["3"], ["three", "cats"]]}
    assert prompt(DROP, row).context == "Anna has 3 cats. How many cats?"
    assert DROP.grade(row, said(" 3 cats")).scores == {"em": 0.0, "f1": 0.67}
    assert DROP.grade(row, said("3.0")).scores == {"em": 1.0, "f1": 1.0}
    assert DROP.grade(row, said("four")).scores == {"em": 0.0, "f1": 0.0}


def test_drop_reads_the_shapes_of_both_hubs():
    blank = {"number": "", "spans": [], "date": {"day": "", "month": "", "year": ""}}
    row = {
        "answer": {**blank, "number": "5"},
        "validated_answers": {
            "number": ["", ""],
            "spans": [["a", "b"], []],
            "date": [blank["date"], {"day": "1", "month": "May", "year": "1900"}],
        },
    }
    assert golds(row) == [("5",), ("a", "b"), ("1 May 1900",)]
    assert golds({"answers_spans": {"spans": ["x", "x", "y"]}}) == [("x",), ("y",)]


def test_gpqa_orders_choices_by_the_item_alone():
    row = {"Question": "Q?", "Correct Answer": "right", **{f"Incorrect Answer {i}": f"wrong [{i}]" for i in (1, 2, 3)}}
    texts, gold = choices(row)
    assert texts[gold] == "right"
    assert choices(dict(row)) == (texts, gold)
    assert len({choices({**row, "Question": f"Q{i}?"})[1] for i in range(40)}) == 4
    asked = prompt(GPQA_MAIN, row)
    assert asked.contexts[0].startswith("What is the correct answer to this question:Q?\nChoices:\n(A) ")
    assert asked.contexts[0].endswith("\nAnswer: ")
    assert asked.continuations == (" (A)", " (B)", " (C)", " (D)")
    assert GPQA_MAIN.grade(row, likely(gold, 4)).scores["acc_norm"] == 1.0


def test_bbh_puts_nothing_between_description_and_question():
    shots = [
        {
            "input": "not True is",
            "target": "False",
            "description": "Evaluate it.",
            "cot": "Let's think step by step.\nSo the answer is False.",
        }
    ]
    row = {"input": "True is", "target": "True", "choices": CHOICES["boolean_expressions"]}
    asked = prompt(BBH, row, shots)
    assert asked.pairs[0] == ("Evaluate it.Q: not True is\nA: False\n\nQ: True is\nA:", " False")
    assert BBH.grade(row, likely(1, 2)).scores["acc_norm"] == 1.0
    written = prompt(BBH_COT, row, shots)
    assert written.context == (
        "Evaluate it.\n\nQ: not True is\nA: Let's think step by step.\nSo the answer is False.\n\n"
        "Q: True is\nA: Let's think step by step.\n"
    )
    assert BBH_COT.grade(row, said("Hm. So the answer is True.")).scores["exact_match"] == 1.0
    assert BBH_COT.grade(row, said("True")).status == "unparsed"


def test_math_is_equal_by_meaning_and_by_the_older_rule():
    row = {"problem": "p", "solution": r"So it is $\boxed{\frac{1}{2}}$."}
    assert prompt(MATH_HARD, row).context == "Problem:\np\n\nSolution:"
    for text, new, old in (
        (r"Final Answer: The final answer is $\frac12$. I hope it is correct.", 1, 1),
        (r"We get $\boxed{0.5}$.", 1, 0),
        (r"$\boxed{\frac{2}{4}}$", 1, 0),
        (r"$\boxed{\frac{1}{3}}$", 0, 0),
        ("no idea", 0, 0),
    ):
        scores = MATH_HARD.grade(row, said(text)).scores
        assert (scores["exact_match"], scores["exact_match_original"]) == (new, old), text


def test_ifeval_pools_instructions_and_asks_all_of_a_prompt():
    row = {
        "prompt": "p",
        "instruction_id_list": ["punctuation:no_comma", "detectable_format:title"],
        "kwargs": [{}, {"x": None}],
    }
    grade = IFEVAL.grade(row, said("Hello, you"))
    assert grade.scores == {"prompt_strict": 0.0, "prompt_loose": 0.0}
    assert grade.pooled == {"inst_strict": (0.0, 0.0), "inst_loose": (0.0, 0.0)}
    assert IFEVAL.grade(row, said("<<T>> hi")).pooled["inst_strict"] == (1.0, 1.0)
    assert IFEVAL.grade(row, said("no, first line\n<<T>> hi")).scores["prompt_loose"] == 1.0


def test_musr_reads_choices_from_text():
    row = {"narrative": "N", "question": "Who?", "choices": "['Ann', 'Bob']", "answer_choice": "Bob"}
    asked = prompt(MUSR, row)
    assert asked.contexts[0] == "N\n\nWho?\n\n1 - Ann\n2 - Bob\n\nAnswer:"
    assert asked.continuations == (" Ann", " Bob")
    assert MUSR.grade(row, likely(1, 2)).scores["acc"] == 1.0


def test_mmlu_pro_scores_as_many_letters_as_there_are_options():
    row = {
        "question": "Q",
        "options": ["a", "b", "c"],
        "answer": "C",
        "category": "law",
        "cot_content": "A: Let's think step by step. The answer is (C).",
    }
    assert prompt(MMLU_PRO, row).continuations == (" A", " B", " C")
    assert prompt(MMLU_PRO, row).contexts[0] == "Q\nA. a\nB. b\nC. c\nAnswer:"
    written = prompt(MMLU_PRO_COT, row, [row]).context
    assert (
        "Options:\nA. a\nB. b\nC. c\nAnswer: Let's think step by step. The answer is (C).\n\nQuestion:\nQ\n" in written
    )
    assert MMLU_PRO_COT.grade(row, said("so the answer is (C).")).scores["exact_match"] == 1.0


def test_truthfulqa_generation_compares_with_right_and_wrong_answers():
    row = {
        "question": "Q",
        "best_answer": "Yes",
        "correct_answers": ["Yes, it is"],
        "incorrect_answers": ["No, never at all"],
    }
    assert prompt(TRUTHFULQA_GEN, row).context.endswith("Barcelona, Spain.\n\nQ: Q")
    assert TRUTHFULQA_GEN.grade(row, said("Yes, it is.")).scores["rouge1_acc"] == 1.0
    assert TRUTHFULQA_GEN.grade(row, said("No, never at all.")).scores["bleu_acc"] == 0.0


HUMAN = {
    "prompt": "import math\n\ndef twice(x):\n",
    "entry_point": "twice",
    "test": "def check(f):\n    assert f(2) == 4",
    "task_id": "x",
}


def test_programs_are_made_of_raw_completions_and_of_code_blocks():
    raw = program(HUMAN, "    return 2 * x")
    assert raw.source == "import math\n\ndef twice(x):\n    return 2 * x"
    assert raw.tests == "def check(f):\n    assert f(2) == 4\ncheck(twice)\n"
    block = program(HUMAN, "Sure:\n```python\ndef twice(x):\n    return x + x\n```\nDone").source
    assert block.startswith("import math\n\ndef twice(x):\n    return x + x")
    assert program(HUMAN, "```python\n    return x * 2\n```").source.startswith(
        "import math\n\ndef twice(x):\n    return x * 2"
    )
    row = {
        "prompt": "// twice\nint twice(int x) {\n",
        "tests": "}\nint main() {}",
        "stop_tokens": ["\n}"],
        "language": "cpp",
    }
    cpp = translated(row, "    return 2 * x;")
    assert (cpp.source, cpp.tests) == ("// twice\nint twice(int x) {\n    return 2 * x;", "}\nint main() {}")
    reply = "```cpp\nint twice(int x) {\n    return x + x;\n}\n```"
    assert translated(row, reply).source == "// twice\nint twice(int x) {\n\n    return x + x;"
    assert len(MULTIPL_E) == 18
    assert HUMANEVAL.kind == "code"


@pytest.mark.parametrize("benchmark", [b for b in CATALOGUE.values() if b.kind == "choice"], ids=lambda b: b.name)
def test_every_choice_benchmark_has_a_twin(benchmark):
    found = find(f"{benchmark.name}:letter")
    assert found.kind == "generation"
    assert found.version != benchmark.version
    assert set(found.views) == set(benchmark.views)


def test_a_twin_asks_for_a_letter_and_grades_it():
    arc = find("arc_easy")
    row = {"question": "2 + 2?", "choices": {"text": ["3", "4"], "label": ["A", "B"]}, "answerKey": "B"}
    made = twin(arc)
    text = made.ask(row).text
    assert text == "Question: 2 + 2?\nA. 3\nB. 4\nAnswer with the letter of the right choice, in the form: Answer: X\n"
    assert made.grade(row, said("I say B. Answer: B")).scores == {"acc": 1.0}
    assert made.grade(row, said("Answer: A")).scores == {"acc": 0.0}
    assert made.grade(row, said("well")).status == "unparsed"
    assert made.shot(row).endswith("Answer: B")
    mmlu = twin(find("mmlu")).ask({"question": "Q", "choices": ["w", "x", "y", "z"], "answer": 3}).text
    assert mmlu.count("A. w") == 1
    wino = {
        "sentence": "The cat saw the dog because _ barked.",
        "option1": "the cat",
        "option2": "the dog",
        "answer": "2",
    }
    assert "B. The cat saw the dog because the dog barked." in twin(find("winogrande")).ask(wino).text
    with pytest.raises(UsageError, match="answered by generating"):
        find("gsm8k:letter")


def test_choices_of_every_twin_question_are_listed_once(tmp_path):
    from llms.data import open_source

    source = open_source("sample")
    for benchmark in CATALOGUE.values():
        if benchmark.kind != "choice":
            continue
        for part in benchmark.parts:
            if source.has(benchmark.dataset, part.config, part.split):
                row = {**source.table(benchmark.dataset, part.config, part.split).rows[0], **part.fields}
                asked = benchmark.ask(row)
                assert isinstance(asked, Choices)
                text = twin(benchmark).ask(row).text
                letters = [f"{chr(65 + i)}. " for i in range(len(asked.continuations))]
                assert all(letter in text or f"({letter[0]})" in text for letter in letters), benchmark.name
                break


def test_a_listing_holds_every_benchmark():
    result = subprocess.run(
        [sys.executable, "-m", "llms", "benchmarks", "--json"], capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == list(CATALOGUE)
