"""One guarded HTTP exchange: the guard, the time limits, and what it means when no usable 2xx comes back.

Not here: what a status proves (http_answers), how a batch becomes requests (http_destination), and what a vendor's words
mean (that vendor's file).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, Field, ValidationError

from orchestration.destinations import egress, http_answers
from orchestration.destinations.base import (
    ActivationChange,
    Answer,
    DestinationSettings,
    Outcome,
    every,
)
from orchestration.destinations.wire import Lost, NeverSent, Reply, Wire

MAX_ANSWER_BYTES = 4 * 1024 * 1024
USUAL_HEADERS = {
    "User-Agent": "millrace",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
Changes = Sequence[ActivationChange]
Shape = TypeVar("Shape", bound=BaseModel)


class HttpSettings(DestinationSettings):
    """What every destination that speaks HTTP can be told."""

    url: str = Field(description="Where the vendor's API is; https, public.")
    allow_loopback: tuple[str, ...] = Field(
        default=(), description="Host names that may be this machine, also over http."
    )
    connect_seconds: float = Field(default=5.0, gt=0)
    answer_seconds: float = Field(
        default=30.0, gt=0, description="From sending to the last byte of the answer."
    )


class NotDone(Exception):  # noqa: N818 - says what happened
    """A request that brought no usable 2xx. `answer` says what that means for the changes it carried."""

    def __init__(
        self, answer: Callable[[Changes], Answer], reply: Reply | None = None
    ) -> None:
        super().__init__("the request was not done")
        self.answer, self.reply = answer, reply


def unclear(detail: str, status: int | None = None) -> NotDone:
    """Something came back that proves nothing."""
    outcome = Outcome("unknown", status, detail)
    return NotDone(lambda changes: Answer(every(changes, outcome)))


def refused(detail: str, status: int | None = None) -> NotDone:
    """The content was refused as a whole; halves may fare better."""
    return NotDone(lambda _: Answer(refused=Outcome("rejected", status, detail)))


def stopped(sentence: str, status: int | None = None) -> NotDone:
    """Nothing was applied, and further requests are pointless until a person does something."""
    outcome = Outcome("retry", status, sentence[:200])
    return NotDone(lambda changes: Answer(every(changes, outcome), stop=sentence))


def paused(seconds: float, detail: str, status: int | None = None) -> NotDone:
    """Nothing was applied, and the vendor wants silence."""
    outcome = Outcome("retry", status, detail)
    return NotDone(lambda changes: Answer(every(changes, outcome), pause=seconds))


@contextmanager
def changing_nothing(purpose: str, refusal: int | None = None) -> Iterator[None]:
    """Around a request that only reads or signs in: whatever became of it, nothing was applied.

    `refusal` is the status to record when it is refused, where the vendor's own says too little.
    """
    try:
        yield
    except NotDone as failed:
        given = failed.answer(())
        stop = given.stop or (given.refused and f"{purpose} is refused") or None
        status = failed.reply.status_code if failed.reply is not None else None
        outcome = Outcome(
            "retry",
            (refusal or status) if stop else status,
            f"{purpose}: {'refused' if stop else 'no answer'}",
        )
        raise NotDone(
            lambda changes: Answer(
                every(changes, outcome), pause=given.pause, stop=stop
            ),
            failed.reply,
        ) from failed


@contextmanager
def after_a_change() -> Iterator[None]:
    """Around a later request of several: whatever became of it, something was applied before it."""
    try:
        yield
    except NotDone as failed:
        given = failed.answer(())
        status = failed.reply.status_code if failed.reply is not None else None
        outcome = Outcome("unknown", status, "done in part")
        # What it carries came from the vendor itself, so a refusal is about the declaration.
        stop = given.stop or (given.refused and f"refused: {given.refused.detail}")
        raise NotDone(
            lambda changes: Answer(
                every(changes, outcome), pause=given.pause, stop=stop or None
            ),
            failed.reply,
        ) from failed


class Exchange:
    """Makes one request at a time, to addresses that were checked, within its time."""

    def __init__(
        self, settings: HttpSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        self._settings, self._resolver = settings, resolver
        self._wire = Wire(settings.connect_seconds, settings.answer_seconds)

    def ask(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> Reply:
        """The 2xx answer to one request. `path` follows the settings' URL unless it is a URL. Raises NotDone."""
        url = path if "://" in path else self._settings.url.rstrip("/") + path
        try:
            target = egress.checked(url, self._settings.allow_loopback, self._resolver)
            reply = self._wire.ask(
                target,
                method,
                content,
                {**USUAL_HEADERS, **(headers or {}), "Host": target.host_header},
                max_answer_bytes,
            )
        except egress.Unresolved as error:
            outcome = Outcome("retry", None, str(error)[:200])
            raise NotDone(lambda changes: Answer(every(changes, outcome))) from error
        except egress.Forbidden as error:
            raise stopped(f"{self._settings.name}: {error}") from error
        except ValueError as error:
            raise stopped(
                f"{self._settings.name}: a header cannot be sent as it stands; "
                "look for line breaks or unusual letters in its secrets"
            ) from error
        except (NeverSent, Lost) as error:
            failure = error
            raise NotDone(
                lambda changes: http_answers.of_error(changes, failure)
            ) from error
        if not reply.is_success:
            detail = reply.text[:200]
            raise NotDone(
                lambda changes: http_answers.of_status(changes, reply, detail), reply
            )
        return reply

    def ask_json(
        self,
        method: str,
        path: str,
        message: Any = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Reply:
        """As `ask`, with a JSON body. One longer than `max_bytes` is refused here, so that it is halved."""
        body = b"" if message is None else orjson.dumps(message)
        if max_bytes is not None and len(body) > max_bytes:
            raise refused(f"{len(body)} bytes are more than {max_bytes}", 413)
        typed = {"content-type": "application/json", **(headers or {})}
        return self.ask(method, path, body, typed)

    def close(self) -> None:
        self._wire.close()


def parsed(shape: type[Shape], reply: Reply) -> Shape:
    """The JSON of a 2xx. Raises NotDone (unknown) when it is not what the vendor documents: it proves nothing then."""
    try:
        return shape.model_validate_json(reply.content)
    except ValidationError as error:
        raise unclear("unreadable answer", reply.status_code) from error
