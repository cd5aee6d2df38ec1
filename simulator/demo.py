"""`make demo`: a small shop through the whole platform, on loopback, with the same commands a user has.

Collector up, the simulated shop talks to it, the main job runs, a tool at the other end is told. Only the order of
those steps lives here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from ingestion.collector.keys import KeyStore, Scope
from ingestion.collector.server import running
from ingestion.settings import Settings, settings
from simulator.receiver import Receiver
from simulator.sending import send
from simulator.world import simulate

PEOPLE, DAYS, SEED = 300, 60, 7


def main() -> int:
    """The exit code of the main job."""
    configured = settings()
    say(f"A shop with {PEOPLE} customers over {DAYS} days")
    simulation = simulate(people=PEOPLE, days=DAYS, seed=SEED)
    simulation.write(configured.extracts)
    folder = configured.home / "demo"
    keys = demo_keys(
        configured, folder / "keys.json", {call.source_id for call in simulation.calls}
    )
    say("The shop talks to the collector")
    with running(configured.home) as url:
        sent = send(simulation.calls, url, keys, progress=True)
    for answer, count in sorted(sent.answers.items()):
        print(f"  {count:,} {answer}")
    say("The main job: land the extracts, load, refresh, publish")
    with Receiver(memory=folder / "receiver.json") as receiver:
        code = command(
            "orchestration.run",
            "--as-of",
            simulation.summary["as_of"],
            MILLRACE_WEBHOOK_URL=receiver.url,
            MILLRACE_WEBHOOK_SECRET=receiver.secret,
        )
    if code:
        return code
    say("What happened")
    return command("orchestration.summary")


def demo_keys(configured: Settings, memory: Path, sources: set[str]) -> dict[str, str]:
    """A key for every source that sends. Made once; the collector keeps hashes, so the demo remembers the texts."""
    known: dict[str, str] = json.loads(memory.read_text()) if memory.exists() else {}
    store = KeyStore(configured.keys)
    keys = {source: text for source, text in known.items() if store.find(text)}
    for source in sorted(sources - keys.keys()):
        scope: Scope = "tracker" if source == "web_shop" else "integration"
        keys[source], _ = store.create(source, (scope,))
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.touch(mode=0o600)
    memory.write_text(json.dumps(keys))
    return keys


def command(module: str, *arguments: str, **environment: str) -> int:
    """Run one of the platform's own commands, its output to this terminal."""
    argv = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        argv, env={**os.environ, **environment}, check=False
    ).returncode


def say(text: str) -> None:
    print(f"\n── {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
