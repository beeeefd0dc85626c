"""localstripe on a socket that it is handed: `python localstripe_launcher.py <fd> [a form field to take off …]`.

A program of its own and never imported: localstripe is GPL. Its own command listens on every interface and keeps its
state in a fixed file; neither is wanted in a test.
"""

import socket
import sys

from aiohttp import web
from localstripe.server import app, store
from multidict import MultiDict, MultiDictProxy


@web.middleware
async def take_off(request, handler):
    """It refuses fields that it does not know, some of which we always send."""
    if request.method == "POST" and request.path.startswith("/v1/") and TAKEN_OFF:
        form = MultiDict((name, value) for name, value in (await request.post()).items() if name not in TAKEN_OFF)
        request._post = MultiDictProxy(form)  # what `post()` answers from now on
    return await handler(request)


TAKEN_OFF = set(sys.argv[2:])
store.dump_to_disk = lambda: None
app.middlewares.insert(0, take_off)
web.run_app(app, sock=socket.socket(fileno=int(sys.argv[1])), print=None, access_log=None, handle_signals=True)
