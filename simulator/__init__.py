"""A small shop that never was: people, what they do, and the extracts of the systems that know them.

Everything is a function of a seed. Nothing here is imported by the platform.
"""
