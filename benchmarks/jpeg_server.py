"""Serves distinct JPEGs of about 110 KB from memory, on many loopback addresses at once.

    python benchmarks/jpeg_server.py --address 127.0.0.1 --port 8000 [--certificate FILE]

/0.jpg, /1.jpg, … are photos as noisy as real ones; each differs from all others.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import ssl

import numpy as np
from PIL import Image

BASES = 8
SIZE = (800, 600)
QUALITY = 88
_REQUEST = re.compile(rb"GET /(\d+)\.jpg(?:\?\S*)? HTTP/1\.1\r\n")


def photos() -> list[bytes]:
    """Pictures of soft blobs and a camera's noise, as JPEG."""
    rng = np.random.default_rng(0)
    return [_photo(rng) for _ in range(BASES)]


def _photo(rng: np.random.Generator) -> bytes:
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC), np.float32)
    noisy = soft + rng.normal(0, 6.8, soft.shape)
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def numbered(photo: bytes, number: int) -> bytes:
    """The same picture as another file: with a comment right behind its first marker."""
    comment = b"%010d" % number
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return photo[:2] + segment + photo[2:]


class Connection(asyncio.Protocol):
    """One kept-alive connection."""

    bases: list[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._asked = transport, b""

    def data_received(self, data: bytes) -> None:
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            head, _, self._asked = self._asked.partition(b"\r\n\r\n")
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        asked = _REQUEST.match(head + b"\r\n")
        if asked is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        number = int(asked[1])
        body = numbered(self.bases[number % BASES], number)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        self._transport.write(body)
        if b"\r\nconnection: close" in head.lower():
            self._transport.close()


async def serve(addresses: list[str], port: int, certificate: str) -> None:
    """Listen on every address, over TLS where there is a certificate; say so; go on for ever."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    Connection.bases = photos()
    loop = asyncio.get_running_loop()
    for address in addresses:
        await loop.create_server(Connection, address, port, ssl=context, backlog=512)
    print("ready", sum(map(len, Connection.bases)) // BASES, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", action="append", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", default="", help="PEM: key and certificate")
    given = parser.parse_args()
    asyncio.run(serve(given.address, given.port, given.certificate))
