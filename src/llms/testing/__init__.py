"""Stand-ins for whoever builds on llms or tests it: a model and an OpenAI-compatible endpoint that answer by a script.

Nothing else in llms imports this, and it needs no test framework.

>>> import llms
>>> from llms.testing import ScriptedEndpoint, ScriptedModel
>>> ScriptedModel(lambda text: "Paris").generate(["The capital of France is"])[0].text
'Paris'
>>> with ScriptedEndpoint(lambda body: "from a server") as server, llms.load(f"{server.url}#m") as model:
...     model.generate(["Where from?"])[0].text
'from a server'
"""

from .endpoint import ScriptedEndpoint
from .model import ScriptedModel, call, in_turn

__all__ = ["ScriptedEndpoint", "ScriptedModel", "call", "in_turn"]
