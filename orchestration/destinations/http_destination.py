"""The frame of every destination that speaks HTTP to a vendor: from a batch of changes to requests and back to one answer.

Belongs here: that who can never be matched is rejected without a request, that removals and entries are requests of their
own, and that a failure in one of them says nothing about the others. Not here: the exchange itself (exchange).
"""

from collections.abc import Iterable, Mapping

from orchestration.destinations import egress
from orchestration.destinations.base import (
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Answer,
    Outcome,
    Pace,
    Sync,
    every,
)
from orchestration.destinations.exchange import Changes, Exchange, HttpSettings, NotDone
from orchestration.destinations.identifiers import Unfit

Part = list[tuple[ActivationChange, str]]


class HttpDestination:
    """The frame: who can be sent at all, one request (or the few it takes) for each verb, one answer for all.

    A vendor's class says how it names a person (`identify`) and makes the requests of one verb (`ask_for`).
    """

    recipient_types: frozenset[str] | None = frozenset({"email"})
    actions: frozenset[Action] = STATE_ACTIONS
    updates_only = False
    pace: Pace | None = None

    def __init__(
        self, settings: HttpSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        self.name = settings.name
        self.batch_size = settings.batch_size
        self.http = Exchange(settings, resolver)

    def identify(self, change: ActivationChange) -> str:
        """What the vendor is told of whom this is. Raises Unfit."""
        raise NotImplementedError

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        """Ask for one thing (add, remove or trigger) for people by identifier; outcomes by identifier. Raises NotDone.

        Whoever is left out of the outcomes is unknown.
        """
        raise NotImplementedError

    def send(self, sync: Sync, changes: Changes) -> Answer:
        outcomes: dict[str, Outcome] = {}
        fit: list[tuple[ActivationChange, str]] = []
        for change in changes:
            try:
                fit.append((change, self._identified(change)))
            except Unfit as error:
                outcomes[change.op_id] = Outcome("rejected", None, str(error))
        parts = _parts(fit)
        for place, part in enumerate(parts):
            changes_of_part = [change for change, _ in part]
            answer = self._part(sync, part)
            if answer.refused is not None and place == 0:
                return answer
            if answer.refused is not None:
                # Halving would send again what was already delivered. In the next run this part comes first.
                later = Outcome("retry", answer.refused.http_status, "refused together")
                answer = Answer(every(changes_of_part, later))
            outcomes |= answer.outcomes
            if answer.pause is not None or answer.stop is not None:
                rest = [each for later in parts[place + 1 :] for each, _ in later]
                outcomes |= every(rest, Outcome("retry", None, "not sent"))
                return Answer(outcomes, pause=answer.pause, stop=answer.stop)
        return Answer(outcomes)

    def close(self) -> None:
        self.http.close()

    def _identified(self, change: ActivationChange) -> str:
        if change.action not in self.actions:
            raise Unfit(f"{self.name} takes no {change.action}")
        return self.identify(change)

    def _part(self, sync: Sync, part: Part) -> Answer:
        """One verb. Two entries may mean one person to the vendor (a normalised address): the last one speaks."""
        people = {identifier: change for change, identifier in part}
        changes = [change for change, _ in part]
        try:
            given = self.ask_for(sync, _verb(changes[0]), people)
        except NotDone as failed:
            answer = failed.answer(changes)
            if answer.refused is not None and len(changes) == 1:
                return Answer(every(changes, answer.refused))
            return answer
        return Answer(
            {
                change.op_id: given[identifier]
                for change, identifier in part
                if identifier in given
            }
        )


def named_by(people: Mapping[str, ActivationChange]) -> str:
    """The one type by which a request names its people. Whoever leaves is named as when they came, and the sync may
    name people otherwise by now."""
    (recipient_type,) = {change.recipient_type for change in people.values()}
    return recipient_type


def _parts(fit: Iterable[tuple[ActivationChange, str]]) -> list[Part]:
    """Runs of one verb and one type, in the order given. A trigger never shares a request with another of the same
    person."""
    parts: list[Part] = []
    alike, names = ("", ""), set[str]()
    for change, identifier in fit:
        is_repeated = change.action == "trigger" and identifier in names
        if (_verb(change), change.recipient_type) != alike or is_repeated:
            parts.append([])
            alike, names = (_verb(change), change.recipient_type), set()
        parts[-1].append((change, identifier))
        names.add(identifier)
    return parts


def _verb(change: ActivationChange) -> str:
    return {"exit": "remove", "trigger": "trigger"}.get(change.action, "add")
