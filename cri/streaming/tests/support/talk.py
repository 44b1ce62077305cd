"""Talks to a streaming server as Python's Kubernetes client does, with the same library (websocket-client).

usage: talk.py URL SUBPROTOCOL CHANNEL BYTES PINGS

Sends BYTES bytes to CHANNEL in one message, and pings; prints what came in each channel until the server closed.
"""

import base64
import json
import sys

import websocket

url, subprotocol, channel, size, pings = sys.argv[1:]
socket = websocket.create_connection(
    url.replace("http", "ws", 1), subprotocols=[subprotocol] if subprotocol else None, timeout=60)
encoded = "base64" in subprotocol
for number in range(int(pings)):
    socket.ping("ping %d" % number)
if int(size) > 0:
    data = bytes(i % 251 for i in range(int(size)))
    if encoded:
        socket.send(channel + base64.b64encode(data).decode(), websocket.ABNF.OPCODE_TEXT)
    else:
        socket.send(bytes([int(channel)]) + data, websocket.ABNF.OPCODE_BINARY)
channels, pongs, close = {}, 0, None
while close is None:
    opcode, data = socket.recv_data(control_frame=True)
    if opcode == websocket.ABNF.OPCODE_CLOSE:
        close = int.from_bytes(data[:2], "big")
    elif opcode == websocket.ABNF.OPCODE_PONG:
        pongs += 1
    elif opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
        assert (opcode == websocket.ABNF.OPCODE_TEXT) == encoded, opcode
        if encoded:
            number, data = int(data[:1]), base64.b64decode(data[1:], validate=True)
        else:
            number, data = data[0], data[1:]
        channels[number] = channels.get(number, b"") + data
json.dump({
    "subprotocol": socket.getsubprotocol(), "pongs": pongs, "close": close,
    "channels": {str(k): base64.b64encode(v).decode() for k, v in channels.items()},
}, sys.stdout)
