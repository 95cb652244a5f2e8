"""A proxy that makes links bad: delay, jitter, throughput, stalls, for each direction of each link.

    /usr/bin/python3 -m tests.nemesis.proxy HOST     in the proxy's namespace

It takes a line of JSON on its standard input for each change and answers "done":
    {"link": 7001, "to": ["10.77.0.4", 46020], "there": {...}, "back": {...}}
where `there` and `back` have what differs from a good link: delay_ms, jitter_ms, bytes_per_s, is_stalled. A link is a port that it
listens on; what comes in goes to `to`. Bytes keep their order. It ends with its input.
"""

import asyncio
import json
import random
import subprocess
import sys
from dataclasses import dataclass

CHUNK = 16 * 1024
HELD_CHUNKS_MAX = 256  # of one direction of a connection; then the sender feels it
STALL_CHECK_SECONDS = 0.02


@dataclass
class Quality:
    """Of one direction of a link."""

    delay_ms: float = 0
    jitter_ms: float = 0
    bytes_per_s: float = 0  # 0: as fast as it goes
    is_stalled: bool = False


class Link:
    """A port, and how good the way behind it is. Connections see each change at once."""

    def __init__(self):
        self.address = None
        self.there, self.back = Quality(), Quality()
        self.server = None

    async def on_connection(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.address)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.carry(reader, far_writer, lambda: self.there),
                             self.carry(far_reader, writer, lambda: self.back))

    async def carry(self, reader, writer, quality):
        held = asyncio.Queue(HELD_CHUNKS_MAX)
        delivery = asyncio.create_task(deliver(held, writer, quality))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(CHUNK):
                now = quality()
                delay = now.delay_ms + random.uniform(0, now.jitter_ms)
                await held.put((loop.time() + delay / 1000, data))
        except OSError:
            pass
        await held.put((0, b""))
        await delivery


async def deliver(held, writer, quality):
    loop = asyncio.get_running_loop()
    try:
        while True:
            due, data = await held.get()
            if not data:
                break
            await asyncio.sleep(max(0, due - loop.time()))
            while quality().is_stalled:
                await asyncio.sleep(STALL_CHECK_SECONDS)
            if quality().bytes_per_s:
                await asyncio.sleep(len(data) / quality().bytes_per_s)
            writer.write(data)
            await writer.drain()
    except OSError:
        while (await held.get())[1]:  # the reader's side must not wait for room
            pass
    writer.close()


async def serve(host):
    links = {}
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        order = json.loads(line)
        port = order["link"]
        link = links.setdefault(port, Link())
        link.address = tuple(order["to"])
        if link.server is None:
            link.server = await asyncio.start_server(link.on_connection, host, port)
        link.there, link.back = Quality(**order.get("there", {})), Quality(**order.get("back", {}))
        print("done", flush=True)


class Proxy:
    """The proxy's process, seen from the campaign."""

    FIRST_PORT = 7001

    def __init__(self, network, name):
        self.network = network
        self.links = {}  # (source, target, port): link
        self.process = subprocess.Popen(
            [*network.enter(name), sys.executable, "-m", "tests.nemesis.proxy", network.addresses[name]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def set(self, source, target, port, there=None, back=None):
        """From now on connections of `source` to this port of `target` go this way, and are as good as this."""
        way = (source, target, port)
        is_new = way not in self.links
        link = self.links.setdefault(way, self.FIRST_PORT + len(self.links))
        self._order({"link": link, "to": [self.network.addresses[target], port], "there": there or {}, "back": back or {}})
        if is_new:
            self.network.redirect(self.links)

    def clear(self):
        """All go straight again. What is still under way arrives."""
        for (_, target, port), link in self.links.items():
            self._order({"link": link, "to": [self.network.addresses[target], port]})
        self.network.redirect({})
        self.links = {}

    def _order(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise OSError("the proxy has ended")


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
