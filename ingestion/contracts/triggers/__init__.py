"""Custom triggers: calls with a name, a version and typed properties, each declared in one YAML file of this folder.

A new trigger, or a new major version of one, is one file here: declarations.py says what it may hold, compiled.py what
becomes of it. The files are read when the collector starts.
"""

from ingestion.contracts.triggers.compiled import (
    Trigger,
    Triggers,
    Versions,
    catalogue,
    load_triggers,
)
from ingestion.contracts.triggers.declarations import TriggerError

__all__ = [
    "Trigger",
    "TriggerError",
    "Triggers",
    "Versions",
    "catalogue",
    "load_triggers",
]
