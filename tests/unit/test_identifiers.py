"""How a person is named to vendors: golden vectors, and where vendors differ."""

import hashlib
import json

import pytest

from orchestration.destinations import identifiers
from orchestration.destinations.identifiers import Unfit

# address, what Meta and the other tools hash, what Google hashes.
ADDRESSES = [
    ("Ada@Example.com", "ada@example.com", "ada@example.com"),
    ("  ada@example.com\n", "ada@example.com", "ada@example.com"),
    ("a.da@gmail.com", "a.da@gmail.com", "ada@gmail.com"),
    ("A.D.A+Shop@GoogleMail.com", "a.d.a+shop@googlemail.com", "ada@googlemail.com"),
    ("a.da+shop@example.com", "a.da+shop@example.com", "a.da+shop@example.com"),
    ("a.da@gmail.com.example", "a.da@gmail.com.example", "a.da@gmail.com.example"),
]


@pytest.mark.parametrize(("given", "plain", "google"), ADDRESSES)
def test_gmail_loses_dots_and_plus_for_google_only(given, plain, google):
    assert identifiers.email(given) == plain
    assert identifiers.google_email(given) == google


@pytest.mark.parametrize(
    ("given", "e164", "meta"),
    [
        ("+4915112345678", "+4915112345678", "4915112345678"),
        ("+49 151 12345678", "+4915112345678", "4915112345678"),
        ("+1 (234) 567-8901", "+12345678901", "12345678901"),
        ("+44 020 7946 0018", "+442079460018", "442079460018"),
    ],
)
def test_google_wants_a_plus_and_meta_wants_none(given, e164, meta):
    assert identifiers.phone(given) == e164
    assert identifiers.meta_phone(given) == meta


@pytest.mark.parametrize("value", ["", "ada", "@x.org", "a@b", "a@@b.org"])
@pytest.mark.parametrize("tidy", [identifiers.email, identifiers.google_email])
def test_what_is_no_address_is_said_without_repeating_it(tidy, value):
    with pytest.raises(Unfit, match=r"^not an e-mail address$"):
        tidy(value)


@pytest.mark.parametrize("value", ["", "151 12345678", "+0000000000", "+49", "ada"])
@pytest.mark.parametrize("tidy", [identifiers.phone, identifiers.meta_phone])
def test_what_is_no_phone_number_is_refused(tidy, value):
    with pytest.raises(Unfit):
        tidy(value)


@pytest.mark.acceptance
def test_uid2s_published_vectors_are_googles_form_to_the_last_bit(acceptance_dir):
    """UID2 documents the same rules as Google, with hashes."""
    file = acceptance_dir / "3-hash-and-normalise/uid2_hash_cases.json"
    for case in json.loads(file.read_text("utf-8")):
        if case["kind"] == "email":
            tidy = identifiers.google_email(case["raw"])
        else:
            tidy = identifiers.phone("+" + case["raw"].lstrip("+"))
        assert tidy == case["normalized"]
        assert identifiers.sha256(tidy) == case["sha256"]


def test_a_hash_is_recognised_and_an_address_never_taken_for_one():
    assert identifiers.is_sha256(hashlib.sha256(b"ada@example.com").hexdigest())
    assert not identifiers.is_sha256("ada@example.com")
    assert not identifiers.is_sha256("AB" * 32)
