"""`python -m benchmarks.http_load URL SECONDS CONNECTIONS`: load where `wrk` is not installed; prints JSON."""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit


async def _ask(host: str, port: int, request: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    took = []
    while (begun := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        took.append(time.perf_counter() - begun)
    writer.close()
    return took


async def _load(url: str, seconds: float, connections: int) -> dict[str, object]:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    until = time.perf_counter() + seconds
    answered = await asyncio.gather(*(_ask(host, port, request, until) for _ in range(connections)))
    took = sorted(one for answers in answered for one in answers)
    return {"rate": len(took) / seconds, "p99": f"{1000 * took[int(0.99 * len(took))]:.2f}ms"}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_load(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))))
