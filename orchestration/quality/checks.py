"""The findings as asset checks of obs_findings, so that the UI shows what is wrong and what to do about it."""

from collections.abc import Iterator, Sequence

import dagster as dg

from orchestration.assets.layers import PUBLISHED
from orchestration.quality.findings import NEWS, Finding, read_findings
from orchestration.resources import Platform
from orchestration.warehouse.schema import read_copy

FINDINGS = dg.AssetKey(["observability", "obs_findings"])
# Check → the findings that fail it. A test holds it against the model, so that none is left out.
CHECKS: dict[str, tuple[str, ...]] = {
    "no_source_is_silent": ("source_silent",),
    "volumes_are_as_on_this_weekday": ("volume_low", "volume_high"),
    "nothing_arrives_twice_more_than_before": ("rate_duplicates",),
    "hardly_anything_is_refused": ("rate_rejects", "trigger_refused"),
    "clocks_are_right": ("rate_early", "rate_delayed"),
    "events_name_somebody": ("rate_nameless",),
    "properties_are_there_and_of_their_type": ("property_vanished", "property_type"),
    "consent_still_comes": ("consent_vanished",),
    "no_value_stands_for_a_crowd": ("junk_identifier",),
    "events_have_names_that_are_known": ("event_unknown",),
    "amounts_of_orders_add_up": ("order_arithmetic",),
    "what_is_spent_brings_visits": ("spend_without_sessions",),
    "triggers_speak_one_version": ("trigger_versions",),
    "no_audience_lost_its_people": ("audience_emptied", "audience_shrank"),
    "destinations_take_what_they_are_told": (
        "destination_rejects",
        "destination_fails",
    ),
    "journeys_tell_whom_they_let_in": ("journey_untold",),
    "the_relay_relays": ("relay_stuck",),
}
SHOWN = 20


def quality_checks() -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name="everything_is_as_it_was",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=FINDINGS,
                additional_deps=[PUBLISHED],
                description=f"{name.replace('_', ' ').capitalize()}. What fails it is named with source, place and remedy.",
            )
            for name in CHECKS
        ],
    )
    def everything_is_as_it_was(platform: Platform) -> Iterator[dg.AssetCheckResult]:
        with read_copy(platform.settings.published) as connection:
            found = [f for f in read_findings(connection) if f.finding not in NEWS]
        for name, kinds in CHECKS.items():
            yield judged(name, [f for f in found if f.finding in kinds])

    return everything_is_as_it_was


def judged(name: str, found: Sequence[Finding]) -> dg.AssetCheckResult:
    """A warning with a sentence for each finding: it is the world that may have changed."""
    return dg.AssetCheckResult(
        asset_key=FINDINGS,
        check_name=name,
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(each.sentence() for each in found[:SHOWN]) or None,
        metadata={"findings": len(found)},
    )
