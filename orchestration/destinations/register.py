"""Which kinds of destination exist, and the reading of destinations.yml.

A new kind is one file and one line here; the shared contract tests pick it up. Values may name environment variables
as ${NAME}; only destinations that are asked for need theirs.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from orchestration.destinations.base import Destination, DestinationSettings
from orchestration.destinations.braze import BrazeDestination, BrazeSettings
from orchestration.destinations.criteo import CriteoDestination, CriteoSettings
from orchestration.destinations.dynamics import DynamicsDestination, DynamicsSettings
from orchestration.destinations.file_drop import FileDropDestination, FileDropSettings
from orchestration.destinations.google import GoogleDestination, GoogleSettings
from orchestration.destinations.hubspot import HubSpotDestination, HubSpotSettings
from orchestration.destinations.klaviyo import KlaviyoDestination, KlaviyoSettings
from orchestration.destinations.mailchimp import (
    MailchimpDestination,
    MailchimpSettings,
)
from orchestration.destinations.meta import MetaDestination, MetaSettings
from orchestration.destinations.slack import SlackDestination, SlackSettings
from orchestration.destinations.webhook import WebhookDestination, WebhookSettings

Maker = Callable[[Any, Path], Destination]

# kind → its settings, and how to make one from them and the outbox folder.
KINDS: dict[str, tuple[type[DestinationSettings], Maker]] = {
    "webhook": (WebhookSettings, lambda settings, _: WebhookDestination(settings)),
    "file_drop": (FileDropSettings, FileDropDestination),
    "braze": (BrazeSettings, lambda settings, _: BrazeDestination(settings)),
    "criteo": (CriteoSettings, lambda settings, _: CriteoDestination(settings)),
    "dynamics": (DynamicsSettings, lambda settings, _: DynamicsDestination(settings)),
    "google": (GoogleSettings, lambda settings, _: GoogleDestination(settings)),
    "hubspot": (HubSpotSettings, lambda settings, _: HubSpotDestination(settings)),
    "klaviyo": (KlaviyoSettings, lambda settings, _: KlaviyoDestination(settings)),
    "mailchimp": (
        MailchimpSettings,
        lambda settings, _: MailchimpDestination(settings),
    ),
    "meta": (MetaSettings, lambda settings, _: MetaDestination(settings)),
    "slack": (SlackSettings, lambda settings, _: SlackDestination(settings)),
}

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class DestinationsInvalid(Exception):  # noqa: N818 - says what happened
    """destinations.yml cannot be used; the message lists everything that is wrong."""


def load_destinations(
    file: Path,
    wanted: Collection[str],
    outbox: Path,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Destination]:
    """The wanted destinations by name. Raises DestinationsInvalid with everything that is missing or wrong."""
    declared = _declared(file)
    problems: list[str] = []
    made: dict[str, Destination] = {}
    for name in sorted(set(wanted)):
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            problems.append(f"{name}: not declared (declared are: {known})")
            continue
        settings = _settings(name, declared[name], environment, problems)
        if settings is not None:
            made[name] = KINDS[settings.kind][1](settings, outbox)
    if problems:
        for destination in made.values():
            destination.close()
        raise DestinationsInvalid(f"{file}:\n" + "\n".join(f"- {p}" for p in problems))
    return made


def declared_names(file: Path) -> list[str]:
    """Every destination of the file, whether its secrets are there or not. Raises DestinationsInvalid."""
    return sorted(_declared(file))


def _declared(file: Path) -> dict[str, dict[str, Any]]:
    try:
        content = yaml.safe_load(file.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise DestinationsInvalid(f"{file}: {error}") from error
    entries = content.get("destinations") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise DestinationsInvalid(f"{file}: needs a list named destinations")
    names = [str(entry.get("name")) for entry in entries]
    if len(set(names)) < len(names):
        raise DestinationsInvalid(f"{file}: two destinations share a name")
    return dict(zip(names, entries, strict=True))


def _settings(
    name: str,
    entry: dict[str, Any],
    environment: Mapping[str, str],
    problems: list[str],
) -> DestinationSettings | None:
    kind = entry.get("kind")
    if kind not in KINDS:
        problems.append(f"{name}: kind is {kind!r}, not one of {', '.join(KINDS)}")
        return None
    missing: set[str] = set()
    filled = _filled(entry, environment, missing)
    problems += [
        f"{name}: the environment has no {each}; set it for whatever runs this, or write ${{{each}:-…}} for a default"
        for each in sorted(missing)
    ]
    if missing:
        return None
    try:
        return KINDS[kind][0].model_validate(filled)
    except ValidationError as error:
        # Only the place and the rule: the value may be a secret.
        problems += [
            f"{name}: {'.'.join(str(p) for p in each['loc'])}: {each['msg']}"
            for each in error.errors(include_input=False)
        ]
        return None


def _filled(value: Any, environment: Mapping[str, str], missing: set[str]) -> Any:
    """The value with ${NAME} and ${NAME:-default} replaced; names without either are added to `missing`."""
    if isinstance(value, dict):
        return {k: _filled(v, environment, missing) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(each, environment, missing) for each in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = environment.get(name) or default
        if found is None:
            missing.add(name)
            return ""
        return found

    return _VARIABLE.sub(replacement, value)
