"""The relay: event-triggered journeys within seconds, beside whatever refresh is running.

It reads the read copy and the landing zone's tail, decides by the SQL that the copy carries, lands its decisions and
delivers. It never opens the warehouse. About whom the tail says anything that could change the answer, it says
nothing: they wait for the refresh. Its sensors are orchestration/realtime.py.
"""
