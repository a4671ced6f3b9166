"""Small special models, trained from nothing on generated rows: checkpoints as anybody would publish them.

    python benchmarks/task_training.py sentiment FOLDER [--rows 4000] [--epochs 4]

A BERT of four layers and 128 dimensions with a WordPiece tokenizer of its own, on one thread; seeds are fixed. The loss on
the rows of training is printed once an epoch. No row of a benchmark is read.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import transformers

import task_rows

HIDDEN, LAYERS, HEADS, WINDOW = 128, 4, 4, 128
LABELS = {
    "sentiment": ("negative", "positive"),
    "entities": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"),
}
EPOCHS = {"sentiment": (4000, 4), "entities": (3000, 4), "question-answering": (4000, 6), "embeddings": (300, 10)}
Batch = dict[str, torch.Tensor]


def train(task: str, folder: Path, count: int = 0, epochs: int = 0, seed: int = 0) -> Path:
    """Train a model for `task` on `count` generated rows and save it in `folder`."""
    count, epochs = count or EPOCHS[task][0], epochs or EPOCHS[task][1]
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rows = task_rows.rows(task, "train", count, seed)
    tokenizer = learn_tokenizer(task_rows.texts_of(task, rows))
    network = build(task, len(tokenizer))
    batches = {"embeddings": _pairs_of}.get(task, _examples_of)
    fit(network, lambda: batches(task, tokenizer, rows), epochs, len(rows))
    transformers.utils.logging.disable_progress_bar()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if task == "embeddings":
        _describe_pooling(folder)
    return folder


def learn_tokenizer(texts: Sequence[str]) -> transformers.PreTrainedTokenizerBase:
    """WordPiece over words, digits and punctuation marks apart; upper and lower case are told apart."""
    import tokenizers as tk

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learned = tk.Tokenizer(tk.models.WordPiece(unk_token="[UNK]"))
    learned.pre_tokenizer = tk.pre_tokenizers.Sequence([tk.pre_tokenizers.BertPreTokenizer()])
    learned.train_from_iterator(
        texts, tk.trainers.WordPieceTrainer(vocab_size=2000, special_tokens=special, show_progress=False)
    )
    learned.post_processor = tk.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    learned.decoder = tk.decoders.WordPiece()
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=learned,
        model_max_length=WINDOW,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )


def build(task: str, vocabulary: int) -> transformers.PreTrainedModel:
    labels = LABELS.get(task, ())
    config = transformers.BertConfig(
        vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=4 * HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        max_position_embeddings=WINDOW, pad_token_id=0, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0,
        **({"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}} if labels else {}),
    )  # fmt: skip
    kind = {
        "sentiment": transformers.BertForSequenceClassification, "entities": transformers.BertForTokenClassification,
        "question-answering": transformers.BertForQuestionAnswering, "embeddings": transformers.BertModel,
    }[task]  # fmt: skip
    return kind(config)


def fit(network: transformers.PreTrainedModel, batches: Callable[[], Iterator[Batch]], epochs: int, count: int) -> None:
    """AdamW, a linear warm-up of a tenth of the steps and a linear fall to nothing."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    steps = epochs * (count // 32)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    network.train()
    for epoch in range(epochs):
        losses = []
        for batch in batches():
            loss = _contrast(network, batch) if "other" in batch else network(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.4f}", file=sys.stderr)
    network.eval()


def _shuffled(rows: Sequence[task_rows.Row]) -> Iterator[list[task_rows.Row]]:
    order = torch.randperm(len(rows)).tolist()
    for start in range(0, len(order) - 31, 32):
        yield [rows[index] for index in order[start : start + 32]]


def _examples_of(
    task: str, tokenizer: transformers.PreTrainedTokenizerBase, rows: Sequence[task_rows.Row]
) -> Iterator[Batch]:
    for block in _shuffled(rows):
        if task == "question-answering":
            texts = ([row["question"] for row in block], [row["context"] for row in block])
        else:
            texts = ([row["text"] for row in block],)
        encoded = tokenizer(*texts, padding=True, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping").tolist()
        batch = dict(encoded)
        if task == "sentiment":
            batch["labels"] = torch.tensor([LABELS[task].index(row["label"]) for row in block])
        elif task == "entities":
            batch["labels"] = torch.tensor([_tags(row, places) for row, places in zip(block, offsets, strict=True)])
        else:
            ends = [
                _place(row, places, batch["token_type_ids"][i].tolist())
                for i, (row, places) in enumerate(zip(block, offsets, strict=True))
            ]
            batch["start_positions"], batch["end_positions"] = torch.tensor(ends).unbind(1)
        yield batch


def _tags(row: task_rows.Row, places: Sequence[tuple[int, int]]) -> list[int]:
    """The tag of each token; -100 where none is asked for."""
    spans = json.loads(row["entities"])
    tags = []
    for start, end in places:
        tag = "O"
        for span in spans:
            if span["start"] <= start < span["end"]:
                tag = f"{'B' if start == span['start'] else 'I'}-{span['label']}"
        tags.append(-100 if start == end else LABELS["entities"].index(tag))
    return tags


def _place(row: task_rows.Row, places: Sequence[tuple[int, int]], types: Sequence[int]) -> tuple[int, int]:
    """The first and last token of the answer in the context."""
    start = int(row["answer_start"])
    end = start + len(row["answer"])
    tokens = [i for i, (a, b) in enumerate(places) if types[i] == 1 and start <= a < b <= end]
    return tokens[0], tokens[-1]


def _pairs_of(
    task: str, tokenizer: transformers.PreTrainedTokenizerBase, rows: Sequence[task_rows.Row]
) -> Iterator[Batch]:
    for block in _shuffled(rows):
        once = list(
            {row["relevant"]: row for row in random.sample(block, len(block))}.values()
        )  # none is another's answer
        asked = tokenizer([row["query"] for row in once], padding=True, return_tensors="pt")
        other = tokenizer([row["relevant"] for row in once], padding=True, return_tensors="pt")
        yield {**asked, "other": other}


def _contrast(network: transformers.PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Each query is to be nearer to its own passage than to the others of the batch."""
    sides = []
    for side in ({name: value for name, value in batch.items() if name != "other"}, batch["other"]):
        states, mask = network(**side).last_hidden_state, side["attention_mask"].unsqueeze(-1)
        sides.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1))
    return torch.nn.functional.cross_entropy(20 * sides[0] @ sides[1].T, torch.arange(len(sides[0])))


def _describe_pooling(folder: Path) -> None:
    """The files by which sentence-transformers knows that the mean of all tokens, of length one, is the vector."""
    kinds = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": WINDOW, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True})
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", choices=task_rows.TASKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=0)
    arguments = parser.parse_args()
    train(arguments.task, arguments.folder, arguments.rows, arguments.epochs)
