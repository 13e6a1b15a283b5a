"""A TCP proxy before several servers, as a load balancer is: connections go to them in turns, past those that take none."""

import asyncio
import collections
import contextlib
import threading


class Relay:
    """Runs in a thread of its own. `backends` are pairs of address and port."""

    def __init__(self, backends):
        self.backends = collections.deque(backends)
        self.first, self.open = None, collections.Counter()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.at = self.server.sockets[0].getsockname()

    @property
    def url(self):
        """The URL that an XML-RPC client is given."""
        return "http://{}:{}/RPC2".format(*self.at)

    def _run(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    async def _serve(self, reader, writer):
        self.backends.rotate()
        for backend in (*filter(None, [self.first]), *self.backends):
            try:
                there = await asyncio.open_connection(*backend)
                break
            except OSError:
                continue
        else:
            writer.close()
            return
        # When one side ends, both do: a client sees that its server is gone.
        ways = [asyncio.ensure_future(self._pass_on(reader, there[1])), asyncio.ensure_future(self._pass_on(there[0], writer))]
        self.open[backend] += 1
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.open[backend] -= 1
            for way in ways:
                way.cancel()
        for end in (writer, there[1]):
            end.close()

    def prefer(self, backend):
        """From now on connections go to that one, as long as it takes them; `None` for all in turns."""
        self.first = backend

    @staticmethod
    async def _pass_on(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    def close(self):
        """End it, with all of its connections."""
        async def end():
            self.server.close()
            mine = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not mine]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        self._run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
