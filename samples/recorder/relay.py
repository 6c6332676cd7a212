"""A TCP relay that delays what it forwards: the stand-in for a slow link where the kernel has no netem.

Usage: relay.py DELAY JITTER PORT:HOST:PORT… (seconds, each way, for every chunk of data)
"""

from __future__ import annotations

import asyncio
import random
import sys

DELAY, JITTER = float(sys.argv[1]), float(sys.argv[2])


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            await asyncio.sleep(max(0.0, random.gauss(DELAY, JITTER)))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(port: int, host: str, target: int) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    await (await asyncio.start_server(accept, "0.0.0.0", port)).serve_forever()


async def main() -> None:
    routes = [route.split(":") for route in sys.argv[3:]]
    await asyncio.gather(*(serve(int(port), host, int(target)) for port, host, target in routes))


asyncio.run(main())
