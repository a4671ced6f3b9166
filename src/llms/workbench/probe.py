"""The verb `models show`: facts about a model, and for endpoints, on request, those that only asking tells."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

from .. import settings
from ..errors import UsageError
from ..models.api.model import ApiModel
from ..models.api.probe import most, run_probe
from ..models.load import load
from ..models.system import Model
from ..store.endpoints import Endpoints
from ..values import Usage


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """`window` in tokens, None if unknown before the endpoint is asked; prices in US dollars per million tokens.

    `key` is the beginning of the key in use, or which variable to set; empty if none is needed. `facts` are (value,
    detail) of the last probe, by check, and `probed` its date; None if there was none.
    """

    name: str
    where: str
    key: str
    window: int | None
    price_in: float | None
    price_out: float | None
    probed: str | None = None
    facts: Mapping[str, tuple[str, str]] | None = None

    def to_json(self) -> dict[str, object]:
        """The documented object that `--json` prints."""
        facts = {check: {"value": value, "detail": detail} for check, (value, detail) in (self.facts or {}).items()}
        return {**asdict(self), "facts": facts if self.probed else None}


def show(name: str) -> ModelDetails:
    """A model as it is known without a connection, with the last probe of its endpoint."""
    with load(name) as model:
        prices = [model.price(Usage(1_000_000, 0)), model.price(Usage(0, 1_000_000))]
        price_in, price_out = [None if price is None else float(price) for price in prices]
        if not isinstance(model, ApiModel):
            return ModelDetails(name, model.identity.weights, "", model.context_window, price_in, price_out)
        with Endpoints(settings.database()) as store:
            probed = store.find(name)
        window = model.price_row.window
        if probed and probed.facts["window"][0].isdigit():
            window = int(probed.facts["window"][0])
        end = model.endpoint
        key = settings.key(end.keys)
        key_words = (
            f"{settings.shown(key)} is sent" if key else f"set {' or '.join(end.keys)}; {end.page}" if end.page else ""
        )
        return ModelDetails(
            name, end.base_url, key_words, window, price_in, price_out,
            probed.probed if probed else None, probed.facts if probed else None,
        )  # fmt: skip


def expected_cost(name: str) -> Decimal | None:
    """The most that a probe costs, in US dollars; None if the price is unknown. Raises UsageError for a local model."""
    model = load(name)
    if not isinstance(model, ApiModel):
        raise UsageError(f"{name} is a local model; --probe is for endpoints")
    model.check()
    return model.price(most(model))


def probe(name: str) -> ModelDetails:
    """Ask the endpoint, store the answers, and show them. Raises ModelError if it does not answer."""
    with load(name) as model:
        if not isinstance(model, ApiModel):
            raise UsageError(f"{name} is a local model; --probe is for endpoints")
        facts = run_probe(model)
    with Endpoints(settings.database()) as store:
        store.save(name, {check: (fact.value, fact.detail) for check, fact in facts.items()})
    return show(name)


def recall(model: Model) -> Model:
    """`model`, with what its server took and refused in the last probe."""
    if isinstance(model, ApiModel) and settings.database().is_file():
        with Endpoints(settings.database()) as store:
            probed = store.find(model.name.text)
        if probed and {"limit", "refused"} <= probed.facts.keys():
            refused = probed.facts["refused"][0]
            model.dialect.learn(probed.facts["limit"][0], () if refused == "none" else refused.split(", "))
    return model
