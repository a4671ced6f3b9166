"""The description of an engine over a checkpoint, which travels to worker processes; `construct` carries it out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Build:
    """`single`: the engine is for one caller at a time. `sees`: the model takes pictures, too."""

    folder: str
    dtype: str
    device: str
    remote_code: bool
    pickle: bool
    quantize: str = ""
    adapter: str = ""
    single: bool = False
    sees: bool = False
