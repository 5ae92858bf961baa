"""The server process: `python -m service.http.server`, which `packfolio api` becomes; slow requests are dropped."""

import argparse
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from optimizer import PackfolioError, PolicyError
from service.http.callers import is_loopback
from service.settings import Settings

WHOLE_REQUEST_SECONDS = 10.0
KEPT_SECONDS = 65  # an idle connection; a little more than proxies keep theirs
FINISH_SECONDS = 35  # after SIGTERM; a little more than the longest answer
HUNG_SECONDS = (
    300  # a worker silent for so long hangs; one that waits for its turn on a busy machine does not
)
TURN_SECONDS = 0.5  # a clock that rings so much too late stood still with the process
LARGEST_HEAD = 65_536  # bytes
REFUSAL = "HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
LATE, TOO_LONG = "408 Request Timeout", "431 Request Header Fields Too Large"


class PunctualProtocol(HttpToolsProtocol):
    """HTTP with a clock: a connection whose request is not whole in time, or whose head has no end, is closed.

    What has arrived while the process had no turn is read before anybody is called late: a loop looks at its clocks
    first, and at its sockets after them.
    """

    deadline: Any = None
    unread = 0
    in_body = False

    def connection_made(self, transport: Any) -> None:
        """The clock runs from the first moment: somebody who never asks holds nothing."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head are counted, and of what may stand behind a body; those of a body are the guard's."""
        self.unread += len(data)
        super().data_received(data)
        waited_for = self.in_body or not self._answering()
        if self.unread > LARGEST_HEAD and self.deadline is not None and waited_for:
            self._drop(TOO_LONG)

    def on_message_begin(self) -> None:
        """The next request on the same connection has its own clock."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """What follows is the body."""
        self.unread, self.in_body = 0, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A body that comes is no head."""
        super().on_body(body)
        self.unread = 0

    def on_message_complete(self) -> None:
        """The request is whole; how long the answer takes is the solvers' clock."""
        super().on_message_complete()
        self.unread, self.in_body = 0, False
        self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """An idle connection is closed, but not over a request that waits to be read."""
        due = self.loop.time() + TURN_SECONDS
        self.timeout_keep_alive_task = self.loop.call_at(due, self._end_idle, due)

    def _end_idle(self, due: float) -> None:
        if self._stood_still(due):
            self.timeout_keep_alive_handler()
        else:
            super().timeout_keep_alive_handler()

    def _wait(self) -> None:
        if self.deadline is None:
            self._ring_at(self.loop.time() + WHOLE_REQUEST_SECONDS)

    def _ring_at(self, due: float) -> None:
        self.deadline = self.loop.call_at(due, self._ring, due)

    def _ring(self, due: float) -> None:
        if self._stood_still(due):
            self._ring_at(self.loop.time() + TURN_SECONDS)
        else:
            self._drop(LATE)

    def _stood_still(self, due: float) -> bool:
        return self.loop.time() - due > TURN_SECONDS

    def _stop(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _drop(self, why: str) -> None:
        self._stop()
        if self.transport.is_closing():
            return
        if not self.in_body and not self._answering():  # a body's request is being answered, or was
            self.transport.write(REFUSAL.format(why).encode())
        self.transport.close()


def main(words: list[str]) -> int:
    """Serve until a signal; exit status 2 for what cannot be served."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args(words)
    try:
        refuse_open_door(chosen.host, Settings.of_process())
    except PackfolioError as error:
        sys.stderr.write(f"{type(error).__name__} {error}\n")
        return 2
    uvicorn.run(
        "service.api:serve", factory=True, host=chosen.host, port=chosen.port, workers=chosen.workers,
        http=PunctualProtocol, ws="none", access_log=False, proxy_headers=False, server_header=False,
        timeout_keep_alive=KEPT_SECONDS, timeout_graceful_shutdown=FINISH_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )  # fmt: skip
    return 0


def refuse_open_door(host: str, settings: Settings) -> None:
    """Raises PolicyError for an address that others can reach, where nobody needs a key."""
    if not settings.keys and not is_loopback(host):
        raise PolicyError(
            f"--host {host} is not this machine alone, and no keys are set up: set PACKFOLIO_API_KEYS_FILE to a file "
            f"of their SHA-256 digests, or stay on 127.0.0.1"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
