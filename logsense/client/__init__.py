"""Ask a running logsense from Python: answers as pandas DataFrames, for notebooks and scripts.

>>> from logsense.client import Client
>>> with Client("http://127.0.0.1:8514", api_key="…") as logs:          # doctest: +SKIP
...     lines = logs.search("errors on db1 last night")                  # a DataFrame
...     answer = logs.ask("which hosts could not reach the database?")   # chips, table, lines
...     causes = logs.diagnose(from_="-2h").hypotheses

``AsyncClient`` has the same methods, to be awaited. Times are RFC 3339, epochs, ``-15m`` or datetimes.
"""

from logsense.client.answers import Answer, Cause, Chip, Diagnosis
from logsense.client.clients import AsyncClient, Client
from logsense.client.transport import ServerProblem

__all__ = ["Answer", "AsyncClient", "Cause", "Chip", "Client", "Diagnosis", "ServerProblem"]
