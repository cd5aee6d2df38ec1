"""What a journey may declare, field by field, each with the remedy for a mistake in it.

Reading the files, and which names exist, is loading.py.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from orchestration.journeys.spans import Clock, Minutes, Zone

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

REMEDIES = {
    "name": "give it the name of its file, small letters, digits and underscores",
    "description": "say in a sentence who is reached, and what for",
    "owner": "name who answers for it",
    "entry": "say what starts it: {trigger: cart_abandoned} or {audience: new_prospects}",
    "trigger": "name a custom trigger, or one that int_computed_triggers computes",
    "audience": "name an audience, without `audience_`",
    "instance_key": "list one or two properties of the trigger that tell one occasion from the next",
    "purpose": "name a purpose of the seed purposes",
    "channel": "name the channel that consent is asked for, such as email",
    "recipient": "choose email, phone, user_id or profile_id",
    "reentry": "write `never`, `after exit`, `after 7d` or `always`",
    "exclude": "list audiences whose members do not enter",
    "suppress": "list audiences whose members are not to be reached at all",
    "exits": "say what ends it: events, enters, leaves, and `after`, such as 7d",
    "events": "list canonical event names of the seed event_taxonomy",
    "enters": "list audiences",
    "leaves": "list audiences",
    "after": "write a span such as 90m, 48h or 7d",
    "caps": "say how many journeys may reach one contact point in 24h, 7d and 30d, such as {24h: 1, 7d: 3}",
    "quiet_hours": 'write {from: "21:00", until: "08:00", time_zone: {default: Europe/Berlin}}',
    "from": 'write a time of day in quotes, such as "21:00"',
    "until": 'write a time of day in quotes, such as "08:00"',
    "time_zone": "give a default, and the attribute that holds a person's own zone if there is one",
    "attribute": "give the path of a profile attribute, such as address.time_zone",
    "default": "give a zone by its IANA name, such as Europe/Berlin",
    "max_age": "write a span such as 90m, 48h or 7d",
    "per_hour": "write how many may enter in an hour",
    "holdout_percent": "write a number from 0 to 50",
    "destination": "name a destination of destinations.yml",
    "payload": "say what the destination is told: {trigger: [cart_url], profile: [first_name]}",
    "profile": "list profile attributes by their paths",
}


class JourneyError(ValueError):
    """The declarations contradict the rules; the message lists every mistake and its remedy."""


class Declared(BaseModel):
    """Part of a declaration; an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(Declared):
    """What starts it: a trigger, or entering an audience."""

    trigger: Name | None = None
    audience: Name | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.trigger is None) == (self.audience is None):
            raise ValueError("needs either `trigger` or `audience`; give one of them")
        return self

    @property
    def kind(self) -> Literal["trigger", "audience"]:
        return "trigger" if self.trigger else "audience"

    @property
    def name(self) -> str:
        return self.trigger or self.audience or ""


class Reentry(Declared):
    """Whether somebody who entered once may enter again for another occasion."""

    policy: Literal["never", "after_exit", "after_days", "always"]
    minutes: Minutes | None = None


def _as_reentry(value: Any) -> Any:
    if value in ("never", "always"):
        return {"policy": value}
    if value == "after exit":
        return {"policy": "after_exit"}
    if isinstance(value, str) and value.startswith("after "):
        return {"policy": "after_days", "minutes": value.removeprefix("after ")}
    if isinstance(value, dict):
        raise ValueError("is written as one phrase")
    return {"policy": value}


class Exits(Declared):
    """What ends it. Before the release it keeps the trigger back, afterwards it ends the instance."""

    events: tuple[Name, ...] = ()
    enters: tuple[Name, ...] = ()
    leaves: tuple[Name, ...] = ()
    after: Minutes


class Caps(Declared):
    """How many journeys may reach one contact point within rolling windows, this one included."""

    day: int | None = Field(default=None, ge=1, alias="24h")
    week: int | None = Field(default=None, ge=1, alias="7d")
    month: int | None = Field(default=None, ge=1, alias="30d")


class TimeZone(Declared):
    """Where the recipient's clock is read."""

    default: Zone
    attribute: str | None = Field(default=None, min_length=1)


class QuietHours(Declared):
    """When nothing goes out, by the recipient's clock; the second time may be on the next day."""

    start: Clock = Field(alias="from")
    until: Clock
    time_zone: TimeZone

    @model_validator(mode="after")
    def _leaves_some_of_the_day(self) -> Self:
        if self.start == self.until:
            raise ValueError("`from` and `until` are the same; leave quiet_hours out")
        return self


class Payload(Declared):
    """What the destination is told, beside whom and which occasion."""

    trigger: tuple[Name, ...] = ()
    profile: tuple[str, ...] = ()


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("names something twice")
    return names


class Journey(Declared):
    """Who is reached, when, and when not any more."""

    name: Name
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    entry: Entry
    instance_key: Annotated[tuple[Name, ...], AfterValidator(_distinct)] = Field(
        default=(), max_length=2
    )
    purpose: Name
    channel: Name = "any"
    recipient: Literal["email", "phone", "user_id", "profile_id"]
    reentry: Annotated[Reentry, BeforeValidator(_as_reentry)]
    exclude: tuple[Name, ...] = ()
    suppress: tuple[Name, ...] = ()
    exits: Exits
    caps: Caps = Caps()
    quiet_hours: QuietHours | None = None
    max_age: Minutes
    per_hour: int | None = Field(default=None, ge=1)
    holdout_percent: float = Field(default=0, ge=0, le=50)
    destination: Name
    payload: Payload = Payload()

    @model_validator(mode="after")
    def _only_triggers_have_properties(self) -> Self:
        if self.entry.kind == "audience" and (
            self.instance_key or self.payload.trigger
        ):
            raise ValueError(
                "`instance_key` and `payload.trigger` are for triggers, and this one begins with an audience; remove them"
            )
        return self
