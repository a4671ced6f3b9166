"""MMLU (Hendrycks et al. 2021, arXiv 2009.03300): 57 subjects from school to profession; the letter is scored."""

from collections.abc import Sequence

from ..data import Dataset, Row
from ..scoring.choice import accuracy, best
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View, logprobs

DATASET = Dataset(
    hub="cais/mmlu",
    revision="c30699e8356da336a370243923dbaf21066bb9fe",
    folder="mmlu",
    columns={"question": str, "choices": list, "answer": int},
)
LETTERS = "ABCD"
SUBJECTS = tuple(
    """
    abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry
    college_computer_science college_mathematics college_medicine college_physics computer_security
    conceptual_physics econometrics electrical_engineering elementary_mathematics formal_logic global_facts
    high_school_biology high_school_chemistry high_school_computer_science high_school_european_history
    high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_mathematics
    high_school_microeconomics high_school_physics high_school_psychology high_school_statistics
    high_school_us_history high_school_world_history human_aging human_sexuality international_law jurisprudence
    logical_fallacies machine_learning management marketing medical_genetics miscellaneous moral_disputes
    moral_scenarios nutrition philosophy prehistory professional_accounting professional_law
    professional_medicine professional_psychology public_relations security_studies sociology us_foreign_policy
    virology world_religions
    """.split()  # noqa: SIM905
)


def text(row: Row) -> str:
    options = "".join(f"{letter}. {choice}\n" for letter, choice in zip(LETTERS, row["choices"], strict=True))
    return f"{row['question'].strip()}\n{options}Answer:"


def ask(row: Row) -> Choices:
    return Choices((text(row),), tuple(f" {letter}" for letter in LETTERS))


def shot(row: Row) -> str:
    return f"{text(row)} {LETTERS[row['answer']]}"


def grade(row: Row, answers: Answers) -> Grade:
    got = logprobs(answers)
    return Grade({"acc": accuracy(got, row["answer"])}, LETTERS[row["answer"]], LETTERS[best(got)])


def description(subject: str, shots: Sequence[Row]) -> str:
    return f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"


MMLU = Benchmark(
    name="mmlu",
    title="MMLU",
    version="1",
    licence="MIT",
    items=14042,
    chance=0.25,
    dataset=DATASET,
    parts=tuple(EvalSplit(subject, subject, "test", "dev") for subject in SUBJECTS),
    metrics=("acc",),
    views={"default": View(5, "fixed", "acc"), "v1": View(5, "harness", "acc", average="macro")},
    ask=ask,
    shot=shot,
    grade=grade,
    description=description,
    harness_draw="first",
)
