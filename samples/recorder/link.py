"""A TCP relay whose delay can be changed while it runs: the network between two services.

Usage: link.py PORT TARGET_PORT FILE (the file holds two numbers: seconds towards the target and back, for every chunk
of data; making a connection costs both, as a handshake does)
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

PORT, TARGET, FILE = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])


def delay(way: int) -> float:
    """Now, with a tenth of jitter; ``way`` 0 is towards the target, 1 back."""
    try:
        seconds = float(FILE.read_text(encoding="ascii").split()[way])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, random.gauss(seconds, seconds / 10))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: int) -> None:
    try:
        while data := await reader.read(65536):
            if wait := delay(way):
                await asyncio.sleep(wait)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(delay(0) + delay(1))
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", TARGET)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, far_writer, 0), pump(far_reader, writer, 1))


async def main() -> None:
    await (await asyncio.start_server(accept, "127.0.0.1", PORT)).serve_forever()


asyncio.run(main())
