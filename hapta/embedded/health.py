"""One request: is PocketBase at this port ready? Plain sockets, because it is asked every few
milliseconds."""

import asyncio
import contextlib

_REQUEST = (
    b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: hapta-health\r\nConnection: close\r\n\r\n"
)


async def health_status(port: int, timeout_s: float = 2.0) -> int | None:
    """The HTTP status of ``/api/health`` on 127.0.0.1, or ``None`` when there was no answer."""
    writer = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_REQUEST)
            status_line = await reader.readline()
    except (OSError, TimeoutError, ValueError):  # ValueError: a line without end
        return None
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    parts = status_line.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None
