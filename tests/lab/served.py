"""A store behind an API server on 127.0.0.1."""

from benchmarks.lab.api import ApiServer
from benchmarks.lab.store import Store

TOKEN = "letmein"


def serving(store: Store, *, port: int = 0, bookmark_interval_s: float = 60.0) -> ApiServer:
    return ApiServer(store, host="127.0.0.1", port=port, tokens=[TOKEN], bookmark_interval_s=bookmark_interval_s)
