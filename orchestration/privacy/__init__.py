"""What people may ask about their data, and what the platform owes without being asked: access, erasure, suppression, retention.

One idea carries all but access: the register of tombstones says what must not be here, the sieve finds it in rows, and
one way of rewriting takes it out of the landing zone. The loader holds everything new against the same register.
"""
