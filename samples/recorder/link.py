"""A TCP relay whose delay can be changed while it runs: the network in front of one service.

Usage: link.py PORT TARGET_PORT FILE (the file holds seconds, each way, for every chunk of data)
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

PORT, TARGET, FILE = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])


def delay() -> float:
    """Now, with a tenth of jitter."""
    try:
        seconds = float(FILE.read_text(encoding="ascii") or 0)
    except (OSError, ValueError):
        return 0.0
    return max(0.0, random.gauss(seconds, seconds / 10))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            if wait := delay():
                await asyncio.sleep(wait)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", TARGET)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def main() -> None:
    await (await asyncio.start_server(accept, "127.0.0.1", PORT)).serve_forever()


asyncio.run(main())
