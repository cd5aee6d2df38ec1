"""Where a request may go, and that it goes to the very address that was checked."""

import pytest

from orchestration.destinations.egress import (
    Forbidden,
    Unresolved,
    checked,
    is_public,
)

PUBLIC = "93.184.216.34"


def resolving(*addresses: str):
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
    ],
)
def test_an_address_that_leads_inwards_is_refused(address):
    assert not is_public(address)
    with pytest.raises(Forbidden):
        checked("https://innocent.example", resolver=resolving(address))


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_a_public_address_passes(address):
    assert is_public(address)


def test_one_inward_address_among_public_ones_refuses_the_name():
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        checked("https://mixed.example", resolver=resolving(PUBLIC, "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "ftp://shop.example/hook",
        "file:///etc/passwd",
        "https://user:password@shop.example/hook",
        "https:///hook",
        "/hook",
    ],
)
def test_only_https_with_a_host_and_without_credentials_is_allowed(url):
    with pytest.raises(Forbidden):
        checked(url, resolver=resolving(PUBLIC))


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"]
)
def test_other_spellings_of_loopback_are_refused_after_resolving(host):
    with pytest.raises((Forbidden, Unresolved)):  # the resolver may know no such name
        checked(f"https://{host}/hook")


def test_the_request_goes_to_the_checked_address_and_still_names_the_host():
    target = checked("https://shop.example:8443/hook?a=1", resolver=resolving(PUBLIC))
    assert str(target.url) == f"https://{PUBLIC}:8443/hook?a=1"
    assert target.host_header == "shop.example:8443"
    assert target.server_name == "shop.example"


def test_an_ipv6_address_is_bracketed_in_the_url():
    target = checked("https://shop.example/", resolver=resolving("2606:4700::1111"))
    assert str(target.url) == "https://[2606:4700::1111]/"


def test_a_name_is_checked_again_for_every_request_so_rebinding_does_not_help():
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    resolver = lambda host, port: next(answers)  # noqa: E731
    assert checked("https://rebinding.example/", resolver=resolver)
    with pytest.raises(Forbidden):
        checked("https://rebinding.example/", resolver=resolver)


def test_loopback_is_allowed_only_for_listed_names_and_only_as_loopback():
    allowed = ["127.0.0.1", "receiver.test"]
    assert checked("http://127.0.0.1:8080/", allowed, resolving("127.0.0.1"))
    assert checked("http://receiver.test/", allowed, resolving("127.0.0.1", "::1"))
    with pytest.raises(Forbidden):
        checked("http://localhost:8080/", allowed, resolving("127.0.0.1"))
    with pytest.raises(Forbidden):
        checked("http://receiver.test/", allowed, resolving("10.0.0.1"))
    with pytest.raises(Forbidden):
        checked("http://receiver.test/", allowed, resolving(PUBLIC))


def test_a_name_without_an_address_is_unresolved():
    with pytest.raises(Unresolved):
        checked("https://nowhere.example/", resolver=resolving())
