"""`file:///etc/orders/servers.yaml`: a list of servers in a file, read again whenever the file changes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import stat
import threading
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Self

from discovery.model import Snapshot, Target
from discovery.resolvers import Resolver, ResolverError
from discovery.resolvers._listed import ListError, read_json, read_yaml

LARGEST = 2**20
"""Bytes: what a ConfigMap may hold, and room for ten thousand servers and more."""

_READERS = {".yaml": read_yaml, ".yml": read_yaml, ".json": read_json}


class FileResolver(Resolver):
    """Reads a YAML or JSON list, and looks twice a second whether the file is another one or has changed.

        - 10.0.0.1:8080
        - {address: "10.0.0.2:8080", weight: 3, zone: zone-a, node: node-1, name: orders-1}

    path         ends in .yaml, .yml (which need pyyaml) or .json
    interval_s   how often to look: by `stat`, which sees a rename, a ConfigMap's change of links, and network file
                 systems, where inotify is blind
    max_stale_s  how long the last good list is served while the file is broken or gone; None is for as long as it takes

    Replace the file by a rename: of one that is written in place, a part may be read that happens to be a list.
    Raises ValueError for another ending, and ModuleNotFoundError without pyyaml.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, interval_s: float = 0.5, max_stale_s: float | None = None
    ) -> None:
        self._path = Path(path).absolute()
        if self._path.suffix not in _READERS:
            raise ValueError(f"{path} ends in none of {', '.join(_READERS)}")
        if _READERS[self._path.suffix] is read_yaml and importlib.util.find_spec("yaml") is None:
            raise ModuleNotFoundError("a YAML file needs pyyaml: pip install discovery-lb[file]", name="pyyaml")
        self._interval_s = interval_s
        self.max_stale_s = max_stale_s

    @classmethod
    def from_target(cls, target: Target) -> Self:
        if target.authority:
            raise target.invalid("the path of the file begins with the third slash")
        try:
            return cls(f"/{target.path}")
        except ValueError as error:
            raise target.invalid(str(error)) from None

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        home = asyncio.get_running_loop()
        told: asyncio.Queue[Snapshot | ResolverError] = asyncio.Queue()
        over = threading.Event()

        def tell(what: Snapshot | ResolverError) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever waits
                home.call_soon_threadsafe(told.put_nowait, what)

        # A thread of its own: a file system may hang, which must hold up neither the loop nor anybody's exit.
        look = _Look(self._path, self._interval_s, tell, over)
        threading.Thread(target=look.run, name="discovery-file", daemon=True).start()
        try:
            while True:
                what = await told.get()
                if isinstance(what, ResolverError):
                    raise what
                yield what
        finally:
            over.set()

    def __repr__(self) -> str:
        return f"file {self._path}"


class _Look:
    """Looks at a file until `over`, and tells what is in it, or what is wrong with it, which is the end."""

    def __init__(
        self, path: Path, interval_s: float, tell: Callable[[Snapshot | ResolverError], None], over: threading.Event
    ) -> None:
        self._path = path
        self._interval_s = interval_s
        self._tell = tell
        self._over = over
        self._stamp: tuple[int, ...] = ()
        self._text: str | None = None
        self._snapshot: Snapshot | None = None

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self.once()
            except ListError as error:
                self._end(f"{self._path}, {error}")
            except OSError as error:
                self._end(f"{self._path} cannot be read: {error.strerror}")
            except Exception as error:  # noqa: BLE001 - whatever it is, the watch must hear of it
                self._end(f"{self._path} cannot be read: {error!r}")
            self._over.wait(self._interval_s)

    def _end(self, why: str) -> None:
        self._tell(ResolverError(why, retry_within_s=2 * self._interval_s))
        self._over.set()

    def once(self) -> None:
        """Look once; raises `ListError` and OSError."""
        found = self._path.stat()
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if stamp == self._stamp:
            return
        # What has just been written may be written on within the same tick of the file system's clock.
        fresh = time.time() - found.st_ctime < 2 * self._interval_s
        try:
            text = _content(self._path, found)
            snapshot = self._snapshot if text == self._text else Snapshot(_READERS[self._path.suffix](text))
        except ListError:
            if fresh and self._snapshot is not None:
                return
            raise
        self._stamp = () if fresh else stamp
        if snapshot is not None and snapshot != self._snapshot:
            self._tell(snapshot)
        self._text, self._snapshot = text, snapshot


def _content(path: Path, found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is no regular file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(0, f"it is larger than {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError(content.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from None
