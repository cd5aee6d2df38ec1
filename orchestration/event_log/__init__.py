"""The event log: what arrived last, in which shape, what it became, and why not."""
