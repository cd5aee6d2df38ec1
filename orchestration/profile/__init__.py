"""One person as everything in the warehouse knows them: for the terminal, for programs, and as a page.

Reads the read copy and decides nothing. reading.py asks, telling.py writes lines, page.py writes HTML, timeline.py puts
what happened in one order. Why identifiers belong together is orchestration.identity's to say.
"""
