"""Sending from a backend: a small client that validates first, sends until it is answered, and keeps a log.

    with Client("http://127.0.0.1:8080", key, log=Path("sent.ndjson")) as client:
        client.track("Order Completed", user_id="u-1", properties={"order_id": "A-1", "total": 149.99})
        client.trigger("nps_submitted", "1.0", user_id="u-1", properties={"score": 9})
        client.send_batch(calls)

What the collector would refuse raises Refused here, before anything is sent. Every call gets an id and a time before its
first attempt, so that one sent twice is one event. Safe to use from several threads.
"""

import email.utils
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import orjson

from ingestion.collector.intake import rejected, take_single
from ingestion.collector.limits import Limits
from ingestion.collector.parsing import encode
from ingestion.contracts.base import JsonObject, as_utc
from ingestion.contracts.refusals import Fault, Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.triggers import Triggers, load_triggers
from ingestion.contracts.wire import ORIGINAL, TIMESTAMP, given_event_id
from ingestion.settings import settings

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second attempt, and the most between any two unless the collector asks for more."""

AGAIN = frozenset({408, 425, 429})
"""Besides every 5xx: what the same call may be spared a moment later."""

ENVELOPE_BYTES = 1024
"""Of a batch's limit, for what is around its events."""

LOGGED_CHARACTERS = 2_000


class NotSent(Exception):  # noqa: N818 - says what happened
    """The collector's last word was no, or it was silent for too long; `status` is None after silence.

    After silence the call may have arrived: send it again with the same id.
    """

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What the collector said to a request it took."""

    body: JsonObject
    attempts: int


class Client:
    """Sends to one collector with one key."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience: float = 120.0,
        timeout: float = 10.0,
        log: Path | None = None,
        triggers: Triggers | None = None,
        limits: Limits | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`patience` is how many seconds a request is tried for, `timeout` how many one attempt may take.

        `log` gets a line of JSON for each attempt. `triggers` are the declared ones unless others are given.
        """
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._patience, self._pause = patience, pause
        self._log, self._log_lock = log, threading.Lock()
        self._limits, self._triggers = limits or Limits(), triggers

    def track(self, name: str, **fields: Any) -> Answer:
        """Something a person did: `user_id`, `anonymous_id`, `email`, `properties`, `timestamp`, `context` …"""
        return self.send({"type": "track", "event": name, **fields})

    def identify(self, **fields: Any) -> Answer:
        """What is known about a person: ids as for `track`, and `traits`."""
        return self.send({"type": "identify", **fields})

    def send(self, call: Mapping[str, Any]) -> Answer:
        """One call in any shape. Raises Refused before sending, NotSent after."""
        ready = _ready(call)
        self._check(ready, _origin())
        return self._post("/ingest", ready)

    def trigger(self, name: str, version: str, **fields: Any) -> Answer:
        """A call of a custom trigger: ids as for `track`, and `properties`. Raises Refused, NotSent."""
        known = self._known_triggers()
        if name not in known:
            reason = f"no trigger is called {name!r}; there are {', '.join(known)}"
            raise Refused("unknown_trigger", Fault("", reason))
        ready = _ready({"version": version, **fields})
        self._check(ready, replace(_origin(), trigger=known[name]))
        return self._post(f"/triggers/{quote(name, safe='')}", ready)

    def send_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[JsonObject]:
        """Many calls, in as few requests as the limits allow; one result for each, in the order given.

        A call that would be refused is not sent; its result says why. Raises NotSent when a request was not taken:
        the requests before it were, so send all again with the same ids, or read the log.
        """
        results: list[JsonObject] = [{} for _ in calls]
        good: list[tuple[int, JsonObject]] = []
        for index, call in enumerate(calls):
            try:
                ready = _ready(call)
                self._check(ready, _origin())
            except Refused as refusal:
                results[index] = rejected(index, refusal)
                continue
            good.append((index, ready))
        for group in self._groups(good):
            answer = self._post("/v1/batch", {"batch": [call for _, call in group]})
            for (index, _), result in zip(group, answer.body["results"], strict=True):
                results[index] = {**result, "index": index}
        return results

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, call: JsonObject, origin: Origin) -> None:
        """Judge the call as the collector will. Raises Refused."""
        take_single(call, encode(call), origin, self._limits)

    def _known_triggers(self) -> Triggers:
        if self._triggers is None:
            self._triggers = load_triggers(settings().triggers_dir)
        return self._triggers

    def _groups(
        self, calls: Sequence[tuple[int, JsonObject]]
    ) -> Iterator[list[tuple[int, JsonObject]]]:
        group: list[tuple[int, JsonObject]] = []
        room = self._limits.batch_bytes - ENVELOPE_BYTES
        for each in calls:
            size = len(encode(each[1])) + 1
            if group and (size > room or len(group) == self._limits.batch_events):
                yield group
                group, room = [], self._limits.batch_bytes - ENVELOPE_BYTES
            group.append(each)
            room -= size
        if group:
            yield group

    def _post(self, path: str, body: JsonObject) -> Answer:
        """Send until there is an answer that another attempt would not change, or patience ends."""
        deadline, attempt = time.monotonic() + self._patience, 0
        while True:
            attempt += 1
            response, said = self._attempt(path, body)
            status = response.status_code if response is not None else None
            if response is not None and status == 200:
                self._note(path, body, attempt, status, said, None)
                return Answer(_json(response, path), attempt)
            is_final = status is not None and status < 500 and status not in AGAIN
            wait = _wait(attempt, response)
            if is_final or time.monotonic() + wait > deadline:
                self._note(path, body, attempt, status, said, None)
                raise NotSent(f"{path}: {said} (attempt {attempt})", status)
            self._note(path, body, attempt, status, said, wait)
            self._pause(wait)

    def _attempt(
        self, path: str, body: JsonObject
    ) -> tuple[httpx.Response | None, str]:
        """The answer, and what it says; no answer, and why."""
        stamped = {**body, "sentAt": datetime.now(UTC).isoformat()}
        try:
            response = self._http.post(path, content=encode(stamped))
        except httpx.TransportError as error:
            return None, f"{type(error).__name__}: {error}"
        return response, f"{response.status_code} {response.text[:LOGGED_CHARACTERS]}"

    def _note(
        self,
        path: str,
        body: JsonObject,
        attempt: int,
        status: int | None,
        said: str,
        wait: float | None,
    ) -> None:
        if self._log is None:
            return
        line = {
            "at": datetime.now(UTC),
            "path": path,
            "event_ids": [each["messageId"] for each in body.get("batch", [body])],
            "attempt": attempt,
            "status": status,
            "said": said,
            "again_in_seconds": wait,
        }
        with self._log_lock, self._log.open("ab") as file:
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _origin() -> Origin:
    return Origin("client", datetime.now(UTC), "server", "/ingest")


def _ready(call: Mapping[str, Any]) -> JsonObject:
    """The call as JSON has it, with an id and a time, which have to be the same at every attempt. Raises Refused."""
    try:
        text = json.dumps(call, default=_as_text, allow_nan=False)
        ready: JsonObject = orjson.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("invalid_json", Fault("", str(error))) from None
    ready["messageId"] = given_event_id(ready, _origin()) or str(uuid4())
    if all(ready.get(name) is None for name in (*TIMESTAMP, *ORIGINAL)):
        ready["originalTimestamp"] = datetime.now(UTC).isoformat()
    return ready


def _as_text(value: Any) -> str:
    """Times in UTC, and numbers and ids whose digits JSON would lose."""
    if isinstance(value, datetime):
        return as_utc(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _json(response: httpx.Response, path: str) -> JsonObject:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise NotSent(f"{path}: what answered is no collector", response.status_code)
    return body


def _wait(attempt: int, response: httpx.Response | None) -> float:
    """Seconds until the next attempt: twice as long each time, spread so that clients don't come back together, and
    never sooner than the collector asked."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 16))
    asked = _asked(response.headers.get("retry-after")) if response is not None else 0.0
    return asked + random.uniform(longest / 2, longest)


def _asked(retry_after: str | None) -> float:
    """Retry-After in seconds, given as such or as a date; 0 if it says nothing."""
    if not retry_after:
        return 0.0
    if retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        when = as_utc(email.utils.parsedate_to_datetime(retry_after))
    except ValueError:
        return 0.0
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
