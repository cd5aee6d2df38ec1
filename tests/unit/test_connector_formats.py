"""Bytes into rows: encodings, archives, cut files and numbers too long for a double. Whatever is no row is a reject with
its place, whatever is damaged deletes nobody, and nothing is rounded."""

import bz2
import gzip
import json
import lzma

import pytest
import zstandard

from tests.pulls import Shop

PEOPLE = """
kind: profiles
description: People.
owner: tests
extract: {files: "people.*", format: csv}
row_key: [id]
deletes: missing
identifiers: {email: mail}
"""
HEADER = "id,mail,name\n"
ADA = "1,ada@x.example,Ädä\n"
BEN = '2,ben@x.example,"Ben\nsaid ""hi"""\n'
CSV = HEADER + ADA + BEN


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def declared(**extract: str) -> str:
    said = "".join(f", {name}: {value}" for name, value in extract.items())
    return PEOPLE.replace("format: csv", f"format: csv{said}")


def ndjson(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def names(shop: Shop) -> dict[str, str]:
    return {row["row_key"]: row["traits"]["name"] for row in shop.landed("profiles")}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (CSV.encode(), "utf-8"),
        (CSV.encode("utf-8-sig"), "utf-8"),
        (CSV.encode("utf-16"), "utf-8"),
        (b"\xfe\xff" + CSV.encode("utf-16-be"), "utf-8"),
        (CSV.encode("utf-16-le"), "utf-16-le"),
        (CSV.encode("latin-1"), "latin-1"),
        (CSV.replace("\n", "\r\n").encode("windows-1252"), "windows-1252"),
    ],
)
def test_an_encoding_is_known_by_its_mark_or_its_name(shop, content, encoding):
    shop.put("people.csv", content)
    assert shop.pull(shop.declare(declared(encoding=encoding))).landed == 2
    assert names(shop)["1"] == "Ädä"
    assert names(shop)["2"].replace("\r", "") == 'Ben\nsaid "hi"'


def test_another_encoding_than_was_said_costs_its_rows_and_the_message_says_what_to_write(
    shop,
):
    shop.put("people.csv", CSV.encode("latin-1"))
    result = shop.pull(shop.declare(PEOPLE))
    assert (result.landed, result.rejected) == (1, 1)
    (reject,) = shop.landed("rejects")
    assert (reject["code"], reject["item"]) == ("bad_encoding", 2)
    assert "`encoding: windows-1252`" in reject["detail"]
    assert reject["encoding"] == "base64"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_ndjson_is_read_in_other_encodings_too(shop, ending):
    text = f'{{"id": 1, "mail": "a", "name": "Ädä"}}{ending}'
    shop.put("people.ndjson", text.encode("utf-16"))
    source = shop.declare(PEOPLE.replace("format: csv", "format: ndjson"))
    assert shop.pull(source).landed == 1
    assert names(shop) == {"1": "Ädä"}


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        ("gz", gzip.compress),
        ("zst", zstandard.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
    ],
)
def test_an_archive_is_unpacked_and_one_that_was_cut_short_deletes_nobody(
    shop, ending, pack
):
    rows = "".join(f"{n},p{n}@x.example,{'é' * (n % 50)}{n}\n" for n in range(2000))
    whole = pack((HEADER + rows).encode())
    source = shop.declare(PEOPLE)
    shop.put(f"people.csv.{ending}", whole)
    assert shop.pull(source).landed == 2000
    shop.put(f"people.csv.{ending}", whole[: len(whole) // 2])
    result = shop.pull(source)
    assert (result.landed, result.deleted) == (0, 0)
    assert result.held_deletes > 0
    assert "broken_file" in {reject["code"] for reject in shop.landed("rejects")}
    shop.put(f"people.csv.{ending}", whole)
    assert not shop.pull(source).changed


def test_every_frame_of_a_zstd_file_is_read(shop):
    frames = [zstandard.compress(part.encode()) for part in (HEADER, ADA, BEN)]
    shop.put("people.csv.zst", b"".join(frames))
    assert shop.pull(shop.declare(PEOPLE)).landed == 2


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("id,mail,mail\n", "the header repeats 'mail'"),
        ("id,,mail\n", "the header lacks a name"),
        ("id,e-mail,name\n", "no column 'mail'"),
        ("", "no column 'id', 'mail'"),
    ],
)
def test_a_header_that_is_wrong_costs_its_file_and_says_why(shop, header, says):
    shop.put("people.1.csv", header + "1,a,b\n2,a,b\n")
    shop.put("people.2.csv", HEADER + ADA)
    result = shop.pull(shop.declare(PEOPLE))
    assert result.landed == 1
    assert any(says in reject["detail"] for reject in shop.landed("rejects"))


def test_a_huge_cell_lands_or_is_refused_and_costs_no_other(shop):
    long, endless = "x" * 900_000, "x" * 1_100_000
    shop.put(
        "people.csv", f"{HEADER}1,a@x.example,{long}\n2,b@x.example,{endless}\n" + BEN
    )
    result = shop.pull(shop.declare(PEOPLE))
    assert (result.landed, result.rejected) == (2, 1)
    assert len(names(shop)["1"]) == 900_000
    assert shop.landed("rejects")[0]["code"] == "bad_csv"


def test_a_line_without_an_end_is_one_reject(shop):
    good = '{"id": 1, "mail": "a@x.example", "name": "Ada"}'
    shop.put("people.ndjson", ndjson(f'{{"id": 2, "name": "{"x" * 9_000_000}"}}', good))
    source = shop.declare(PEOPLE.replace("format: csv", "format: ndjson"))
    result = shop.pull(source)
    assert (result.read, result.landed, result.rejected) == (2, 1, 1)
    assert shop.landed("rejects")[0]["code"] == "too_long"


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_numbers_keep_their_digits(shop, form):
    row = '{"id": %d, "mail": "a@x.example", "big": 12345678901234567890123, "exact": 0.1234567890123456789, "half": 0.5}'
    rows = [row % 9007199254740993, row % 9007199254740992]
    shop.put("people.x", ndjson(*rows) if form == "ndjson" else f"[{','.join(rows)}]")
    shop.pull(shop.declare(PEOPLE.replace("format: csv", f"format: {form}")))
    landed = shop.landed("profiles")
    assert {row["row_key"] for row in landed} == {
        "9007199254740993",
        "9007199254740992",
    }
    assert landed[0]["traits"] == {
        "big": "12345678901234567890123",
        "exact": "0.1234567890123456789",
        "half": 0.5,
        "email": "a@x.example",
    }


@pytest.mark.parametrize(
    ("path", "document", "landed"),
    [
        (None, [{"id": 1}, {"id": 2}], 2),
        ("data.list", {"data": {"list": [{"id": 1}], "page": 1}}, 1),
        ('"*.results"', [{"results": [{"id": 1}]}, {"results": [{"id": 2}]}], 2),
        ("rows", {"rows": []}, 0),
    ],
)
def test_the_rows_of_a_document_are_found_by_their_path(shop, path, document, landed):
    shop.put("people.json", json.dumps(document))
    said = PEOPLE.replace("identifiers: {email: mail}", "identifiers: {crm_id: id}")
    said = said.replace("format: csv", f"format: json{f', rows: {path}' * bool(path)}")
    result = shop.pull(shop.declare(said))
    assert (result.landed, result.rejected) == (landed, 0)


def test_a_document_that_breaks_off_gives_the_rows_before_and_deletes_nobody(shop):
    source = shop.declare(PEOPLE.replace("format: csv", "format: json"))
    row = '{"id": %d, "mail": "a@x.example"}'
    shop.put("people.json", f"[{row % 1}, {row % 2}, {row % 3}]")
    assert shop.pull(source).landed == 3
    shop.put("people.json", f"[{row % 1}, {row % 2}, ")
    result = shop.pull(source)
    assert (result.landed, result.deleted, result.held_deletes) == (0, 0, 1)
    assert "not JSON after row 2" in shop.landed("rejects")[0]["detail"]


@pytest.mark.parametrize(
    ("marker", "gone"),
    [("", 0), ("false", 0), ("0", 0), ("TRUE", 1), ("2026-01-30 10:00", 1)],
)
def test_a_row_that_is_marked_as_deleted_is(shop, marker, gone):
    source = shop.declare(PEOPLE + "delete_marker: gone_at\n")
    shop.put("people.csv", "id,mail,gone_at\n1,a@x.example,\n2,b@x.example,\n")
    shop.pull(source)
    shop.put("people.csv", f"id,mail,gone_at\n1,a@x.example,{marker}\n2,b@x.example,\n")
    assert shop.pull(source).deleted == gone
    assert not shop.pull(source).changed
    assert "gone_at" not in shop.landed("profiles")[0]["traits"]


def test_consent_in_words_that_nobody_declared_is_a_reject(shop):
    said = "consent: {marketing: {column: name, granted: [OPT_IN], denied: [OUT], silent: [PENDING]}}\n"
    rows = "1,a@x.example,OPT_IN\n2,b@x.example,PENDING\n3,c@x.example,yes\n"
    shop.put("people.csv", HEADER + rows)
    result = shop.pull(shop.declare(PEOPLE + said))
    assert (result.landed, result.rejected) == (2, 1)
    assert [row["consent"] for row in shop.landed("profiles")] == [
        {"marketing": "granted"},
        {},
    ]
    assert "`granted`, `denied` or `silent`" in shop.landed("rejects")[0]["detail"]
