"""Why did it not fire: one trigger, journey or delivery followed through every stage, to where it stopped.

Read from the read copy and from what was landed since. Nothing is decided here, and nothing is changed.
"""
