"""Reading rule files: every mistake as a sentence with the file, the place and the remedy.

What a rule may say is rules.py's business, what there is to ask fields.py's.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ingestion.contracts.strict_yaml import read_yaml
from ingestion.settings import PROJECT_ROOT
from orchestration.audience import fields
from orchestration.audience.comparisons import Amount, Anniversary, Part, Window
from orchestration.audience.mistakes import mistakes
from orchestration.audience.rules import (
    CONDITIONS,
    FILTERS,
    Measure,
    Regularly,
    Rule,
    Size,
    Step,
)

RULES = PROJECT_ROOT / "audiences"
# Words of other rule languages, and what they are called here.
SYNONYMS = {
    theirs: ours
    for ours, words in {
        "is": ("=", "==", "eq", "equals", "equal"),
        "is_not": ("!=", "ne"),
        "more_than": (">", "gt"),
        "at_least": (">=", "gte", "min"),
        "less_than": ("<", "lt"),
        "at_most": ("<=", "lte", "max"),
        "all": ("and",),
        "any": ("or",),
        "none": ("not",),
        "profile": ("trait",),
        "orders": ("order",),
        "event": ("events",),
        "sessions": ("session",),
        "subscriptions": ("subscription",),
        "when": ("within", "window"),
        "where": ("filter",),
        "exclude": ("exclusions",),
        "exists": ("missing",),
        "tell": ("attributes",),
        "total": ("sum",),
        "average": ("avg", "mean"),
        "matches": ("regex", "regexp", "pattern"),
        "anniversary": ("birthday",),
        "regularly": ("periods", "in_periods"),
        "sample": ("random", "random_bucket", "share"),
        "for": ("has_been", "held_for"),
        "changed": ("updated",),
    }.items()
    for theirs in words
}


PARTS: dict[str, type[Part]] = {
    "when": Window,
    "count": Amount,
    "total": Measure,
    "average": Measure,
    "distinct": Measure,
    "regularly": Regularly,
    "anniversary": Anniversary,
    "changed": Window,
    "then": Step,
    "not_then": Step,
    "expected_size": Size,
}


# What something looks like, for who wrote a single value instead.
SHAPES = {
    "when": "{last: 30 days}",
    "count": "{at_least: 3}",
    "total": "{of: revenue, at_least: 100}",
    "average": "{of: revenue, at_least: 50}",
    "distinct": "{of: product_id, at_least: 2}",
    "regularly": "{every: 1 month, of_last: 5, at_least: 3}",
    "anniversary": "{next: 7 days}",
    "changed": "{last: 30 days}",
    "then": "{event: order_completed, within: 3 days}",
    "not_then": "{event: order_completed, within: 3 days}",
    "expected_size": "{from: 10, to: 5000}",
}
_OF_ATTRIBUTES = (
    "only what an attribute was is kept: `attribute: city, is: Berlin, for: 30 days`"
)
# Words that have no counterpart, and what is written instead.
INSTEAD = {
    "between": "write `at_least` and `at_most`",
    "not_contains": "write `none: [{…, contains: …}]`",
    "for": _OF_ATTRIBUTES,
    "changed": _OF_ATTRIBUTES,
}
# How pydantic names the kinds of number that it tried.
KINDS = ("int", "decimal", "bool", "datetime", "date", "str")

TEMPLATES = ("{{", "{%", "{#")


class RuleError(ValueError):
    """Rule files that cannot be; the message lists every mistake and its remedy."""


def rule_files(folder: Path = RULES) -> list[Path]:
    """Raises RuleError where one would be overlooked."""
    if overlooked := sorted(folder.glob("*.yaml")):
        raise RuleError(
            "\n".join(
                f"{folder.name}/{each.name}: rule files end in .yml; rename it"
                for each in overlooked
            )
        )
    return sorted(folder.glob("*.yml"))


def read_rule(path: Path) -> Rule:
    """The audience of one file. Raises RuleError."""
    place = f"{path.parent.name}/{path.name}"
    try:
        given = read_yaml(path)
    except ValueError as error:
        raise RuleError(str(error)) from error
    if not isinstance(given, dict):
        raise RuleError(f"{place} has to hold one audience: fields and their values")
    if found := list(_templates(given)):
        raise RuleError("\n".join(f"{place}: {each}" for each in found))
    try:
        rule = Rule.model_validate(given)
    except ValidationError as error:
        said = dict.fromkeys(map(_sentence, _details(error)))
        raise RuleError("\n".join(f"{place}: {each}" for each in said)) from error
    known = {*fields.audiences(), *(each.stem for each in rule_files())}
    if found := list(mistakes(rule, path.stem, known)):
        raise RuleError("\n".join(f"{place}: {each}" for each in found))
    return rule


def _templates(given: object, place: str = "") -> Iterator[str]:
    """What dbt would carry out as a template in the model that the rule becomes, instead of comparing with it."""
    if isinstance(given, dict):
        for name, value in given.items():
            yield from _templates(value, f"{place}.{name}" if place else str(name))
            yield from _templates(str(name), place)
    elif isinstance(given, list):
        for value in given:
            yield from _templates(value, place)
    elif isinstance(given, str) and any(sign in given for sign in TEMPLATES):
        yield f"`{place}` holds {given!r}, which would be read as a template; leave out its braces"


def _details(error: ValidationError) -> list[ErrorDetails]:
    """Without those that only follow from a mistake further in."""
    details = error.errors(include_url=False)
    places = [each["loc"] for each in details]
    return [
        each
        for each in details
        if each["type"] != "too_short"
        or not any(
            p != each["loc"] and p[: len(each["loc"])] == each["loc"] for p in places
        )
    ]


def _sentence(detail: ErrorDetails) -> str:
    words = [str(part) for part in detail["loc"] if part not in KINDS]
    path = [w for i, w in enumerate(words) if i == 0 or w != words[i - 1]]
    field = f"`{'.'.join(path)}`"
    message = detail["msg"].removeprefix("Value error, ")
    last = path[-1] if path else ""
    if not path:
        return message
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        shape = SHAPES.get(last, "words and their values")
        return f"{field} is {detail['input']!r}; write {shape}, for example"
    if detail["type"] == "tuple_type":
        return f"{field} has to be a list: entries in brackets, or each on a line after `- `"
    if len(words) < len(detail["loc"]):
        return (
            f"{field} is {detail['input']!r}, which is no number; for texts there is `is`, "
            "for times `since`, `until`, `last` and their like"
        )
    if detail["type"] in ("too_short", "string_too_short"):
        return f"{field} is empty"
    if detail["type"] == "extra_forbidden":
        return f"{field} is unknown; {_nearest(path)}"
    if detail["type"] == "missing":
        return f"{field} is missing"
    if detail["type"] == "subject":
        given = detail["input"]
        kinds = FILTERS if "where" in path else CONDITIONS
        unknown = (
            [word for word in given if isinstance(word, str)]
            if isinstance(given, dict)
            else []
        )
        unknown.sort(key=lambda word: word not in SYNONYMS)
        near = [hint for word in unknown if (hint := _near(word, kinds))]
        if len(both := [word for word in unknown if word in kinds]) > 1:
            return f"{field} names {' and '.join(both)}; each is a condition of its own, in a list under `all` or `any`"
        return f"{field} {message}" + (f"; did you mean `{near[0]}`?" if near else "")
    if detail["type"] == "value_error":
        return f"{field}: {message}"
    return f"{field} is {detail['input']!r}, which cannot be: {message}"


def _nearest(path: Sequence[str]) -> str:
    """A hint from the words that are known where the unknown one stands."""
    parents = [word for word in path[:-1] if not word.isdigit()]
    model: type[Part] = Rule
    for word in parents:
        kinds = FILTERS if "where" in parents else CONDITIONS
        model = kinds.get(word) or PARTS.get(word, model)
    known = [f.alias or name for name, f in model.model_fields.items()]
    if path[-1] in INSTEAD:
        return INSTEAD[path[-1]]
    if "when" in known and path[-1] in Window.model_fields:
        return f"did you mean `when: {{{path[-1]}: …}}`?"
    if model is Step and path[-1] == "when":
        return "did you mean `within: 3 days`?"
    near = _near(path[-1], known)
    return f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"


def _near(word: str, known: Sequence[str] | dict[str, type[Part]]) -> str | None:
    if SYNONYMS.get(word) in known:
        return SYNONYMS[word]
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
