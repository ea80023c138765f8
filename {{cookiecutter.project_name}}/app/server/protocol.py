"""Uvicorn's HTTP parser with a limit for headers: `--http app.server.protocol:BoundedHttp`, or server/lifespan.py.

httptools buffers a header until it is complete, however long it gets. h11 has a limit, but makes a small request an
eighth slower.
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.server.limits import MAX_HEADER_SIZE

PIECE_SIZE: Final = 8 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection whose peer sends MAX_HEADER_SIZE without completing a header, a chunk's head or a trailer."""

    unfinished = 0  # bytes since the end of the last header, or the last of a body

    def data_received(self, data: bytes) -> None:
        # In pieces, so that a header isn't complete before it is counted.
        for start in range(0, len(data), PIECE_SIZE):
            if self.transport.is_closing():
                return
            piece = data[start : start + PIECE_SIZE]
            self.unfinished += len(piece)
            super().data_received(piece)
            # Bytes behind a header or body in the same piece aren't counted, and the last piece may complete a header.
            if self.unfinished > MAX_HEADER_SIZE - 2 * PIECE_SIZE:
                self.send_400_response("Request header too large.")

    def on_headers_complete(self) -> None:
        self.unfinished = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.unfinished = 0
        super().on_body(body)
