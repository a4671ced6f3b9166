"""The estimate of `llms models fit` against what was measured: four forms of the embedded model, two windows.

    python benchmarks/memory_estimate.py [--context 1024 6144] [--form smollm2 …]

Each line is the estimate divided by the peak of the proportional set size of one process that loads the model and answers one
request of the whole window, above an idle process with the same imports. The checkpoint is copied into a folder of its own,
so that no other process shares its pages.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

FORMS = ("smollm2", "smollm2?dtype=bfloat16", "smollm2?quantize=int8", "gguf:smollm2")
WITHIN = 0.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--context", type=int, nargs="+", default=[1024, 6144])
    parser.add_argument("--form", nargs="+", default=list(FORMS))
    options = parser.parse_args()
    from llms import settings
    from llms.models.local import embedded
    from llms.workbench.fit import fit
    from llms.workbench.peak_memory import measure_memory

    source = embedded.checkpoint()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="llms-memory-") as home:
        shutil.copytree(source, Path(home) / "models" / source.name)
        if (proofs := settings.home() / "proofs").is_dir():
            shutil.copytree(proofs, Path(home) / "proofs")
        os.environ["LLMS_HOME"] = home
        for form in options.form:
            measure_memory(form, 64, 1)  # what is done once on a machine, such as proofs, is done now
            for context in options.context:
                estimate, peak = fit(form, context), measure_memory(form, context, 1)
                assert estimate.needs_bytes is not None
                ratio = estimate.needs_bytes / peak
                missed += abs(ratio - 1) > WITHIN
                print(
                    f"{form:24} window {context:5}: estimated {estimate.needs_bytes / 1e6:6.0f} MB, measured "
                    f"{peak / 1e6:6.0f} MB, ratio {ratio:.3f}{'' if abs(ratio - 1) <= WITHIN else '  MISSED'}",
                    flush=True,
                )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
