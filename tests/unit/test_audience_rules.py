"""Rule files: what a mistake is told as, and that what is committed is what they compile to."""

from pathlib import Path

import pytest
import yaml

from orchestration.audience.compiling import compiled_model
from orchestration.audience.loading import RuleError, read_rule, rule_files
from orchestration.audience.register import outdated, written_files
from orchestration.audience.rules import CONDITIONS, FieldIs, Rule, Step
from orchestration.audience.times import Duration, parse_duration, parse_moment

ROOT = Path(__file__).parents[2]
RULE = {
    "description": "A test's.",
    "owner": "tests",
    "purpose": "service",
    "who": {"profile": "country", "is": "DE"},
}


def told(tmp_path: Path, **fields: object) -> str:
    """What is said about a rule with these fields; empty when it is good."""
    path = tmp_path / "audiences" / "tried.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({**RULE, **fields}))
    try:
        read_rule(path)
    except RuleError as error:
        return str(error)
    return ""


def test_every_committed_model_is_what_its_rule_file_compiles_to():
    assert outdated() == []


@pytest.mark.parametrize(
    ("who", "hint"),
    [
        ({"profil": "country", "is": "DE"}, "did you mean `profile`?"),
        ({"and": []}, "did you mean `all`?"),
        ({"profile": "countri", "is": "DE"}, "did you mean `country`?"),
        ({"profile": "country", "equals": "DE"}, "did you mean `is`?"),
        ({"profile": "country", "start_with": "D"}, "did you mean `starts_with`?"),
        ({"profile": "country"}, "says nothing"),
        ({"profile": "country", "is": None}, "write `exists: false`"),
        ({"profile": "country", "is": 5}, "a text; write the value in quotes"),
        ({"profile": "country", "at_least": 5}, "`at_least` does not fit it"),
        ({"profile": "order_count", "is": "5"}, "is a number"),
        ({"profile": "order_count", "is": True}, "is a number"),
        ({"profile": "birth_date", "is": "x"}, "ask with `last`"),
        ({"profile": "birth_date", "last": "3 dayz"}, "such as `30 days`"),
        ({"profile": "birth_date", "before": "soon"}, "`30 days ago`"),
        ({"event": "Product Viewed"}, "write the canonical one, `product_viewed`"),
        ({"event": "product_view"}, "did you mean `product_viewed`?"),
        ({"profile": "plan", "is": "pro"}, "Anything else that was told is `attribute: plan`"),
        ({"event": "order_placed"}, "event `order_placed` is called `order_completed` here"),
        ({"event": "viewed", "then": {"event": "order_complete"}}, "did you mean `order_completed`?"),
        ({"event": "viewed", "then": {"event": "x", "when": {"last": "1 day"}}}, "did you mean `within: 3 days`?"),
        ({"event": "viewed", "last": "1 day"}, "did you mean `when: {last: …}`?"),
        ({"event": "viewed", "when": "last 30 days"}, "write {last: 30 days}"),
        ({"event": "viewed", "when": {"last": 30}}, "30 is no length of time: write a number and a unit"),
        ({"event": "viewed", "count": 3}, "write {at_least: 3}"),
        ({"event": "viewed", "where": {"field": "value", "is": 1}}, "`who.event.where` has to be a list"),
        ({"event": "viewed", "where": [{"field": "propertis.x", "is": 5}]}, "did you mean `properties.x`?"),
        ({"event": "viewed", "where": [{"field": "properties.x", "at_least": "5"}]}, "'5', which is no number"),
        ({"consent": "marketting"}, "no purpose `marketting`; did you mean `marketing`?"),
        ({"consent": "marketing", "channel": "emial"}, "no channel `emial`; did you mean `email`?"),
        ({"consent": "marketing", "contact": "mail"}, "did you mean `email`?"),
        ({"profile": "country", "event": "viewed"}, "names event and profile; each is a condition of its own"),
        ({"profile": "country", "exists": False, "is": "DE"}, "asks for what is missing"),
        ({"profile": "country", "is": False}, "a text; write the value in quotes"),
        ({"profile": "order_count", "between": [1, 2]}, "write `at_least` and `at_most`"),
        ({"profile": "email", "not_contains": "x"}, "write `none: ["),
        ({"event": "viewed", "window": {"last": "1 day"}}, "did you mean `when`?"),
        ({"event": "viewed", "when": {"lasst": "1 day"}}, "did you mean `last`?"),
        ({"event": "viewed", "count": {"min": 1}}, "did you mean `at_least`?"),
        ({"event": "viewed", "count": {}}, "add `at_least: 1`"),
        ({"event": "viewed", "where": [{"field": "price", "is": 5}]}, "`properties.price`"),
        ({"event": "viewed", "where": [{"profile": "x", "is": 5}]}, "exactly one of all, any, none, field"),
        ({"event": "viewed", "total": {"of": "value", "at_least": 5}}, "would add up currencies"),
        ({"orders": "purchases", "distinct": {"of": "stat", "is": 1}}, "did you mean `state`?"),
        ({"orders": "bought"}, "'purchases', 'carts' or 'any'"),
        ({"subscriptions": "any", "when": {"last": "1 day"}}, "has no time of its own"),
        ({"event": "viewed", "take": "first", "when": {"next": "1 day"}}, "looks back"),
        ({"audience": "repeat_buyer"}, "did you mean `repeat_buyers`?"),
        ({"profile": "country", "is": "DE", "for": "3 days"}, "only what an attribute was is kept: `attribute: city, is: Berlin, for: 30 days`"),
        ({"attribute": "plan", "for": "3 days"}, "says nothing: add"),
        ({"attribute": "plan", "changed": {"last": "1 day"}, "for": "3 days"}, "`for` says how long something has held"),
        ({"attribute": "plan", "is": "pro", "has_been": "3 days"}, "did you mean `for`?"),
        ({"attribute": "plan", "changed": "3 days"}, "write {last: 30 days}"),
        ({"attribute": "plan", "changed": {"within": "3 days"}}, "there are last, next"),
        ({"profile": "birth_date", "anniversary": "7 days"}, "write {next: 7 days}"),
        ({"profile": "birth_date", "birthday": {"next": "7 days"}}, "did you mean `anniversary`?"),
        ({"profile": "birth_date", "anniversary": {"next": "12 hours"}}, "12 hours is no part of a year in whole days"),
        ({"profile": "birth_date", "anniversary": {"last": "2 years"}}, "2 years is no part of a year"),
        ({"profile": "birth_date", "anniversary": {}}, "write `{next: 7 days}`"),
        ({"profile": "birth_date", "anniversary": {"nxt": "7 days"}}, "did you mean `next`?"),
        ({"profile": "country", "anniversary": {"next": "7 days"}}, "`anniversary` does not fit it"),
        ({"profile": "email", "regex": "@x"}, "did you mean `matches`?"),
        ({"profile": "email", "matches": "[0-9"}, "is no regular expression"),
        ({"profile": "email", "matches": "\\d"}, "which not every engine reads alike"),
        ({"profile": "email", "matches": "a(?=b)"}, "has `(?`"),
        ({"profile": "order_count", "matches": "1"}, "`matches` does not fit it"),
        ({"sample": "spring"}, "`who.sample.percent` is missing"),
        ({"sample": "spring", "percent": 101}, "less than or equal to 100"),
        ({"sample": "spring", "percent": 0.001}, "to a hundredth of a percent"),
        ({"random_bucket": "spring", "percent": 5}, "did you mean `sample`?"),
        ({"event": "viewed", "regularly": "3 of 5 weeks"}, "write {every: 1 month, of_last: 5, at_least: 3}"),
        ({"event": "viewed", "regularly": {"every": "1 week", "of_last": 5, "at_least": 6}}, "asks for 6 of 5 periods"),
        ({"event": "viewed", "regularly": {"every": "1 week", "of_last": 61, "at_least": 6}}, "less than or equal to 60"),
        ({"event": "viewed", "regularly": {"every": "1 week", "of_last": 5}}, "add `at_least: 1`"),
        ({"event": "viewed", "regularly": {"evry": "1 week", "of_last": 5, "at_least": 1, "every": "1 day"}}, "did you mean `every`?"),
        ({"event": "viewed", "when": {"last": "1 day"}, "regularly": {"every": "1 week", "of_last": 5, "at_least": 1}}, "leave out `when`"),
        ({"subscriptions": "any", "regularly": {"every": "1 week", "of_last": 5, "at_least": 1}}, "has no time of its own"),
        ({"event": "viewed", "average": {"of": "value", "at_least": 5}}, "`average` of `value` would add up currencies"),
        ({"event": "viewed", "when": {"last": "0 days"}}, "`who.event.when.last`: nothing happens within 0 days; write `1 day`"),
        ({"event": "viewed", "then": {"event": "bought", "within": "0 hours"}}, "write `1 hour`"),
        ({"event": "viewed", "when": {}}, "says no time: write `{last: 30 days}`"),
        ({"event": ""}, "names no event"),
        ({"event": ["viewed", ""]}, "names no event"),
        ({"profile": "country", "in": []}, "`who.profile.in` is empty"),
        ({"orders": "any", "where": [{"field": "currency", "is": "EURO"}]}, "`currency` is never `EURO`; write the code of ISO 4217"),
        ({"orders": "any", "where": [{"field": "state", "not_in": ["complete"]}]}, "`state` is never `complete`; did you mean `completed`?"),
        ({"audience": "tried"}, "cannot be made of itself"),
        ({"all": [{"any": [{"profile": "citty", "is": "x"}]}]}, "did you mean `city`?"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_file_and_the_nearest_right_word(tmp_path, who, hint):
    said = told(tmp_path, who=who)
    assert said.startswith("audiences/tried.yml: ")
    assert hint in said
    assert "\n" not in said, "one mistake, one sentence"


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"tell": ["event_count_30d"]}, "changes with the clock alone"),
        ({"tell": ["first_nam"]}, "did you mean `first_name`?"),
        ({"exclude": ["repeat_buyer"]}, "did you mean `repeat_buyers`?"),
        ({"expected_sizes": {}}, "did you mean `expected_size`?"),
        ({"holdout_percent": 101}, "less than or equal to 100"),
        ({"expected_size": {"from": 10, "to": 5}}, "nothing lies from 10 to 5"),
        ({"destinations": ["fils"]}, "did you mean `files`?"),
        ({"purpose": None}, "`purpose` has no value"),
        ({"purpose": "marketng"}, "did you mean `marketing`?"),
    ],
)
def test_a_mistake_beside_the_condition_is_told_too(tmp_path, fields, hint):
    assert hint in told(tmp_path, **fields)


def test_a_good_rule_is_told_nothing(tmp_path):
    assert told(tmp_path) == ""


def test_a_key_given_twice_is_a_mistake(tmp_path):
    path = tmp_path / "audiences" / "tried.yml"
    path.parent.mkdir()
    path.write_text("description: one\ndescription: two\n")
    with pytest.raises(RuleError, match="given twice"):
        read_rule(path)


def test_a_rule_file_that_would_be_overlooked_is_named(tmp_path):
    (tmp_path / "tried.yaml").write_text("description: one")
    with pytest.raises(RuleError, match=r"tried\.yaml: rule files end in \.yml"):
        rule_files(tmp_path)


def test_audiences_that_are_made_of_each_other_are_named(tmp_path):
    for name, other in (("one", "two"), ("two", "one")):
        model = tmp_path / f"audience_{name}.sql"
        model.write_text(f"select profile_id from {{{{ ref('audience_{other}') }}}}")
        columns = [{"name": "profile_id", "data_type": "varchar"}]
        shape = {"name": model.stem, "columns": columns}
        model.with_suffix(".yml").write_text(yaml.safe_dump({"models": [shape]}))
    with pytest.raises(RuleError, match=r"(audience_\w+ is made of ){2}audience_\w+:"):
        written_files(tmp_path / "rules", tmp_path)


def test_a_rule_file_with_the_name_of_a_written_model_is_named(tmp_path):
    (tmp_path / "tried.yml").write_text(yaml.safe_dump(RULE))
    (tmp_path / "audience_tried.sql").write_text("select profile_id from x")
    with pytest.raises(RuleError, match="was written by hand and has its name"):
        written_files(tmp_path, tmp_path)


def test_times_are_read_as_they_are_written():
    assert parse_duration("1 day") == Duration(1, "day")
    assert str(parse_moment("2 weeks ago")) == "2 weeks ago"
    assert str(parse_moment("in 3 months")) == "in 3 months"
    for text in ("today", "start of week", "start of last month", "start of next year"):
        assert str(parse_moment(text)) == text
    assert parse_moment("start of this day") == parse_moment("today")
    assert str(parse_moment("2026-01-31T01:00:00+02:00")) == "2026-01-30 23:00:00"


def test_the_example_of_the_readme_is_a_good_rule(tmp_path):
    text = (ROOT / "audiences/README.md").read_text("utf-8")
    path = tmp_path / "example.yml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0])
    rule = read_rule(path)
    assert "profile_id" in compiled_model("example", rule)
    assert rule.holdout_percent == 10


def test_every_word_of_a_condition_is_in_the_readme():
    text = (ROOT / "audiences/README.md").read_text("utf-8")
    models = [*CONDITIONS.values(), FieldIs, Step, Rule]
    words = {f.alias or n for m in models for n, f in m.model_fields.items()}
    missing = {
        word for word in words if f"`{word}" not in text and f"{word}:" not in text
    }
    assert missing == set()
