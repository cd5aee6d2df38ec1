"""250 events through rudder-sdk-python: `python rudder_python.py HOST WRITE_KEY`."""

import sys

from rudderstack.analytics import Client

client = Client(sys.argv[2], host=sys.argv[1])
for n in range(250):
    client.track(f"u-{n % 7}", "Product Viewed", {"n": n}, message_id=f"id-{n}")
client.flush()
client.join()
