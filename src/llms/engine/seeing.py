"""One decoder for prompts with pictures and without: text in many rows at once, pictures one at a time beside them."""

from .decoder import Decoder
from .fallback import FallbackDecoder
from .request import DecodeRequest, Event


class SeeingDecoder:
    """`add`, `step`, `abort` as Decoder's. A step computes one token of every text row, and one of one picture row."""

    def __init__(self, text: Decoder, pictures: FallbackDecoder):
        self._text, self._pictures = text, pictures

    @property
    def most_rows(self) -> int:
        return self._text.most_rows

    @property
    def idle(self) -> bool:
        return self._text.idle and self._pictures.idle

    @property
    def vacant(self) -> int:
        return self._text.vacant

    @property
    def active(self) -> list[int]:
        return [*self._text.active, *self._pictures.active]

    def add(self, request: DecodeRequest) -> None:
        (self._text if request.seen is None else self._pictures).add(request)

    def abort(self, id: int) -> None:
        self._text.abort(id)
        self._pictures.abort(id)

    def step(self) -> list[Event]:
        events = [] if self._text.idle else self._text.step()
        return events + self._pictures.step()
