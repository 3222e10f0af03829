"""The API's common ground: who asks, what a token covers, how refusals read, and what belongs to no room.

The rooms' own endpoints lie in their ``api`` packages, and find all of this through Django's settings.
"""
