"""Refusals: why a request was not taken, in words for the person who asked.

`str(error)` is one friendly sentence that may be shown as it stands. Each adapter turns the class
into what its platform has for it (an HTTP status, an ephemeral reply).
"""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """Base of everything the studio answers instead of taking a job."""


class BadInputRefusal(Refusal):
    """What was asked cannot be done as asked; the sentence says what to change."""


class ForbiddenRefusal(Refusal):
    """This requester may not do this here.

    Attributes:
        privately: what to say where nobody else reads it; `str(error)` may be said in public.
    """

    def __init__(self, sentence: str, privately: str | None = None) -> None:
        super().__init__(sentence)
        self.privately = privately or sentence


class NotFoundRefusal(Refusal):
    """There is no such riff (any more)."""


class BusyRefusal(Refusal):
    """Too much at once: a rate limit or a full queue.

    Attributes:
        retry_after: seconds until the same request would be taken.
    """

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
