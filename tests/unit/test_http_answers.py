"""What each HTTP answer proves about the operations of the request."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.destinations import http_answers
from orchestration.destinations.wire import Lost, NeverSent, Reply
from tests.changes import change

CHANGES = [change("ada"), change("bo")]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def kinds(answer) -> set[str]:
    return {outcome.kind for outcome in answer.outcomes.values()}


def test_what_never_arrived_is_tried_again_and_what_may_have_is_unknown():
    assert kinds(http_answers.of_error(CHANGES, NeverSent("refused"))) == {"retry"}
    assert kinds(http_answers.of_error(CHANGES, Lost("reset"))) == {"unknown"}


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504])
def test_a_server_error_without_more_is_unknown(status):
    answer = http_answers.of_status(CHANGES, Reply(status), "")
    assert kinds(answer) == {"unknown"}
    assert answer.stop is None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
def test_an_overloaded_destination_is_given_the_pause_it_asks_for(
    status, header, seconds
):
    response = Reply(status, headers={"retry-after": header})
    answer = http_answers.of_status(CHANGES, response, "")
    assert kinds(answer) == {"retry"}
    assert answer.pause == seconds


def test_a_429_that_does_not_say_how_long_still_pauses():
    answer = http_answers.of_status(CHANGES, Reply(429), "")
    assert answer.pause == http_answers.DEFAULT_PAUSE_SECONDS


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 415])
def test_what_concerns_every_request_stops_the_run_and_blames_no_record(status):
    answer = http_answers.of_status(CHANGES, Reply(status), "")
    assert kinds(answer) == {"retry"}
    assert str(status) in answer.stop


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_stops_the_run_and_proves_nothing(status):
    answer = http_answers.of_status(CHANGES, Reply(status), "")
    assert kinds(answer) == {"unknown"}
    assert "redirects" in answer.stop


@pytest.mark.parametrize("status", [400, 413, 422])
def test_content_that_is_refused_may_fare_better_in_halves(status):
    answer = http_answers.of_status(CHANGES, Reply(status), "why")
    assert answer.refused.kind == "rejected"
    assert (answer.refused.http_status, answer.refused.detail) == (status, "why")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("999999999999", 86_400),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header, seconds):
    assert http_answers.retry_after(header, NOW) == seconds


def test_a_date_in_another_zone_is_converted():
    moment = NOW + timedelta(seconds=90)
    text = moment.strftime("%a, %d %b %Y ") + "13:01:30 +0100"
    assert http_answers.retry_after(text, NOW) == 90


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1769860805", 5), ("1769860000", 0), ("soon", None), ("", None), (None, None)],
)
def test_the_moment_of_a_reset_is_read_as_unix_time(header, seconds):
    assert http_answers.until_reset(header, now=NOW) == seconds


def test_a_429_without_retry_after_waits_until_the_reset_it_names():
    later = str(int(datetime.now(UTC).timestamp()) + 30)
    response = Reply(429, headers={"x-ratelimit-reset": later})
    answer = http_answers.of_status(CHANGES, response, "")
    assert answer.pause == pytest.approx(30, abs=2)
