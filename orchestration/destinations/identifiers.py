"""How destinations want a person named: normalised, then hashed or not. Vendors differ, and a wrong form matches nobody.

Each function takes what our identity knows (an e-mail address, a phone number in E.164) and raises Unfit for what the
vendor would refuse anyway. A value that is already a SHA-256 in hex (a stored handle) stays as it is.
"""

import hashlib
import re

import phonenumbers

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Google's own mail domains, the only ones whose local part it rewrites.
GOOGLE_MAIL = ("gmail.com", "googlemail.com")


class Unfit(Exception):  # noqa: N818 - says what happened
    """The destination can never take this change; the sentence says why and holds nothing personal."""


def email(value: str) -> str:
    """Trimmed and in lower case; dots and plus stay. What Meta, Braze, HubSpot, Klaviyo and Mailchimp want."""
    tidy = value.strip().lower()
    if not _EMAIL.fullmatch(tidy) or len(tidy) > 254:
        raise Unfit("not an e-mail address")
    return tidy


def google_email(value: str) -> str:
    """As `email`; in Gmail addresses the dots, and a plus with all behind it, leave the local part.

    Source: developers.google.com/data-manager/api/devguides/concepts/formatting, read 2026-11.
    """
    local, _, domain = email("".join(value.split())).partition("@")
    if domain in GOOGLE_MAIL:
        local = local.partition("+")[0].replace(".", "")
        if not local:
            raise Unfit("not an e-mail address")
    return f"{local}@{domain}"


def phone(value: str) -> str:
    """E.164: a plus and digits only. What Google, Braze and Klaviyo want."""
    try:
        number = phonenumbers.parse(value.strip())
    except phonenumbers.NumberParseException as error:
        raise Unfit("not a phone number with its country") from error
    if not phonenumbers.is_possible_number(number):
        raise Unfit("not a possible phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def meta_phone(value: str) -> str:
    """Digits with the country code, without plus and without leading zeros.

    Source: developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences, read 2026-11.
    """
    return phone(value).removeprefix("+").lstrip("0")


def sha256(value: str) -> str:
    """In hex, lower case."""
    return hashlib.sha256(value.encode()).hexdigest()


def is_sha256(value: str) -> bool:
    """Whether a value is a hash already, as stored handles are."""
    return _SHA256.fullmatch(value) is not None
