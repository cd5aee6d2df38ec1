"""Journeys as rows of raw.journeys, replaced at every load, so that SQL never works by an edited or removed file."""

from typing import Any

from orchestration.journeys.declarations import Journey


def as_row(journey: Journey) -> dict[str, Any]:
    """The journey as the columns of raw.journeys; spans in minutes, times of day as minutes since midnight."""
    quiet, exits, caps = journey.quiet_hours, journey.exits, journey.caps
    return {
        "journey": journey.name,
        "description": journey.description,
        "owner": journey.owner,
        "entry_kind": journey.entry.kind,
        "entry_name": journey.entry.name,
        "instance_key": list(journey.instance_key),
        "purpose": journey.purpose,
        "channel": journey.channel,
        "recipient_type": journey.recipient,
        "reentry": journey.reentry.policy,
        "reentry_minutes": journey.reentry.minutes,
        "excluded_audiences": list(journey.exclude),
        "suppressed_audiences": list(journey.suppress),
        "exit_events": list(exits.events),
        "exit_enters": list(exits.enters),
        "exit_leaves": list(exits.leaves),
        "exit_after_minutes": exits.after,
        "cap_24h": caps.day,
        "cap_7d": caps.week,
        "cap_30d": caps.month,
        "quiet_from_minute": quiet and quiet.start,
        "quiet_until_minute": quiet and quiet.until,
        "time_zone_attribute": quiet and quiet.time_zone.attribute,
        "default_time_zone": quiet and quiet.time_zone.default,
        "max_age_minutes": journey.max_age,
        "per_hour": journey.per_hour,
        "holdout_buckets": round(journey.holdout_percent * 100),
        "destination": journey.destination,
        "payload_trigger": list(journey.payload.trigger),
        "payload_profile": list(journey.payload.profile),
    }
