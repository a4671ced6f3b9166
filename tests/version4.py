"""Runs pipelines of transformers 4, which later versions dropped: jobs as JSON in, results as JSON out.

Started by test_parity_v4.py with version 4 in front of everything else that is installed.
"""

import json
import sys
import warnings


def main() -> None:
    warnings.simplefilter("ignore")
    import torch
    import transformers

    assert transformers.__version__.startswith("4."), transformers.__version__
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    results = []
    for job in json.load(sys.stdin):
        pipeline = transformers.pipeline(job["task"], model=job["folder"], device="cpu")
        options = job["options"]
        results.append(
            [
                pipeline(**each, **options) if isinstance(each, dict) else pipeline(each, **options)
                for each in job["inputs"]
            ]
        )
    json.dump({"version": transformers.__version__, "results": results}, sys.stdout)


if __name__ == "__main__":
    main()
