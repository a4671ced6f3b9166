"""lm-evaluation-harness 0.4.13 through `llms serve`: its `local-completions` against the engine in this process.

The harness builds its own requests from the rows of a data root, sends them to a server that this script starts, and the
answers are compared with `loglikelihood` and `generate` of the same model here.

    python -m venv /tmp/versus && /tmp/versus/bin/pip install torch==2.13.0
    /tmp/versus/bin/pip install 'lm_eval[api]==0.4.13' -e '.[local,web]'
    /tmp/versus/bin/python benchmarks/serve_parity.py --data ROOT [--items 5]
"""

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
logging.disable(logging.WARNING)

from versus_lm_eval import NEW_TOKENS, Case, instances, local_rows

CASES = {
    "hellaswag 0-shot": Case(("hellaswag",), 0, 5, (), 0, 0),
    "arc_challenge 5-shot": Case(("arc_challenge",), 5, 5, (), 0, 0),
    "gsm8k 2-shot": Case(("gsm8k",), 2, 4, (), 0, 0),
}


def compare_scores(harness, model, found) -> str:
    theirs = harness.loglikelihood(found)
    ours = model.loglikelihood([instance.args for instance in found])
    errors = [abs(a.logprob - b[0]) / (1e-4 + 1e-6 * abs(b[0])) for a, b in zip(ours, theirs, strict=True)]
    flags = sum(a.greedy != b[1] for a, b in zip(ours, theirs, strict=True))
    return f"{len(found)} scores, largest difference {max(errors):.2f} of the tolerance, {flags} greedy flags differ"


def compare_texts(harness, model, found) -> str:
    theirs = harness.generate_until(found)
    ours = model.generate([i.args[0] for i in found], max_tokens=NEW_TOKENS, stop=found[0].args[1]["until"])
    return f"{len(found)} texts, {sum(a.text == b for a, b in zip(ours, theirs, strict=True))} equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--server", default=sys.executable, help="the Python that runs llms serve")
    options = parser.parse_args()

    import datasets
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    import llms

    datasets.load_dataset = local_rows(options.data)
    command = [options.server, "-m", "llms", "serve", "smollm2", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        with llms.load("smollm2") as model:
            folder = str(model.checkpoint.folder)
            for concurrent, batch in ((1, 4), (4, 1)):
                harness = LocalCompletionsAPI(
                    base_url=f"{url}/completions",
                    model="smollm2",
                    tokenizer=folder,
                    tokenizer_backend="huggingface",
                    num_concurrent=concurrent,
                    batch_size=batch,
                    max_length=model.context_window,
                )
                for name, case in CASES.items():
                    found = instances(case)
                    compare = compare_texts if found[0].request_type == "generate_until" else compare_scores
                    print(
                        f"{name}, {concurrent} at once, batches of {batch}: {compare(harness, model, found)}",
                        flush=True,
                    )
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    main()
