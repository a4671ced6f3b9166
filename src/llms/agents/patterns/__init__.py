"""The patterns by which teams work, by name. A further one is a file here and a line in this catalogue."""

from .blackboard import BLACKBOARD
from .pattern import Pattern
from .pipeline import PIPELINE
from .plan_and_parallel import PLAN_AND_PARALLEL
from .single import SINGLE
from .write_and_check import WRITE_AND_CHECK

PATTERNS: dict[str, Pattern] = {
    pattern.name: pattern for pattern in (SINGLE, PIPELINE, PLAN_AND_PARALLEL, BLACKBOARD, WRITE_AND_CHECK)
}
