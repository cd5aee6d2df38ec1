"""What an edit of the rules would do before it is applied: who would merge, split, change id, and which audiences move.

Builds the edited project over a scratch copy of the read copy, at the logical time of the last refresh, and compares
the two. Whatever differs is the edit's doing: both hold the same landed records.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion.settings import Settings
from orchestration.identity.comparing import (
    AudienceMove,
    Change,
    audience_moves,
    edited_seeds,
    identifier_changes,
    profile_changes,
    profile_count,
    side_by_side,
)
from orchestration.identity.picture import visible
from orchestration.identity.scratch import build, copy_all, scratch
from orchestration.logical_time import last_as_of

# Changes shown to a person of each kind, the largest first. --json has all.
SHOWN = 10


@dataclass
class Preview:
    """Everything an edit would change."""

    as_of: datetime
    seeds: list[str]
    profiles_before: int
    profiles_after: int
    changes: list[Change]
    identifiers: dict[str, int]
    audiences: list[AudienceMove] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        counts = Counter(change.kind for change in self.changes)
        return {**asdict(self), "counts": dict(sorted(counts.items()))}

    def lines(self) -> Iterator[str]:
        yield f"As of {self.as_of.isoformat()}, over what the read copy holds:"
        yield f"  edited seeds: {', '.join(self.seeds) or 'none'}"
        yield f"  profiles: {self.profiles_before:,} → {self.profiles_after:,}"
        for name, count in self.identifiers.items():
            yield f"  identifiers {name}: {count:,}"
        for kind, sentence in KINDS.items():
            yield from _shown([c for c in self.changes if c.kind == kind], sentence)
        if not self.changes:
            yield "Nobody merges, splits or changes id."
        if self.audiences:
            yield "Audiences:"
        for move in self.audiences:
            yield (
                f"  {move.audience_name}: {move.members_before:,} → {move.members_after:,} members"
                f" ({move.enter:,} enter, {move.leave:,} leave, {move.merge_away:,} merge into another member)"
            )


KINDS = {
    "merge": "would merge",
    "split": "would split",
    "regroup": "would be regrouped, several profiles into several others",
    "id": "would keep their people and change their id (old ids still lead there)",
    "gone": "would be gone, because all their identifiers would be blocked",
    "new": "would be new",
}


def preview(
    settings: Settings, as_of: datetime | None, variables: str, audiences: bool
) -> Preview:
    """Build the project as it is in the working tree and compare. The warehouse is not touched."""
    moment = as_of or last_as_of(settings)
    with scratch(settings) as file:
        copy_all(settings, file)
        selection = ["+identity", *(["+fct_audience_members"] if audiences else [])]
        build(settings, file, moment, *selection, variables=variables)
        return compare(settings.published, file, moment, audiences)


def compare(before: Path, after: Path, as_of: datetime, audiences: bool) -> Preview:
    """What the edit changes, from the warehouse without and the one with it."""
    with side_by_side(before, after) as connection:
        return Preview(
            as_of=as_of,
            seeds=list(edited_seeds(connection)),
            profiles_before=profile_count(connection, "before_id"),
            profiles_after=profile_count(connection, "after_id"),
            changes=list(profile_changes(connection)),
            identifiers=identifier_changes(connection),
            audiences=list(audience_moves(connection)) if audiences else [],
        )


def _shown(changes: list[Change], sentence: str) -> Iterator[str]:
    if not changes:
        return
    yield f"{len(changes):,} {sentence}:"
    for change in changes[:SHOWN]:
        yield f"  {_side(change.before)} → {_side(change.after)}"
    if len(changes) > SHOWN:
        yield f"  … and {len(changes) - SHOWN:,} more (--json has all)"


def _side(profiles: dict[str, list[str]]) -> str:
    shown = [
        f"{visible(profile, 12)} ({', '.join(names[:2]) or 'no identifier'})"
        for profile, names in list(profiles.items())[:4]
    ]
    more = [f"{len(profiles) - 4} more"] if len(profiles) > 4 else []
    return " + ".join([*shown, *more]) or "nobody"
