"""Writes sent to a node as a router sends them, with request ids of the test's choice; built from dataplane.proto alone."""

import socket
import struct

from deploy.local.layout import HOST

from .frames import PREFIX_BYTES, RESPONSE, frame, hello

WRITE, DELETE = 0x0102, 1
OK, WRONG_RANGE, THROTTLED = 0, 3, 12


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode(fields):
    """A protobuf message of {number: integer or bytes}."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, bytes):
            out += _varint(number << 3 | 2) + _varint(len(value)) + value
        else:
            out += _varint(number << 3) + _varint(value)
    return out


def decode(data):
    """{number: integer or bytes}; of repeated fields the last."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            fields[key >> 3] = varint()
        else:
            length = varint()
            fields[key >> 3] = data[at:at + length]
            at += length
    return fields


class NodeCalls:
    """A connection to the loop of a node that leads `group`."""

    def __init__(self, fleet, node, group):
        port = fleet.row(node)["ports"]["data"] + group % fleet.layout.loops
        self.group = group
        self.socket = socket.create_connection((HOST, port), timeout=10)
        self.socket.sendall(hello(fleet.layout.cluster_id()))
        self.calls = 0
        self._read()  # its hello
        self.epoch = 0
        # What it is asked for a range that never was, it answers with the route.
        route = decode(self.delete(bytes(16), epoch=2**40, key=b"?")[2])
        self.epoch, self.key = route[4], route[2] + b"\0" * 8 + b"key"

    def close(self):
        self.socket.close()

    def _take(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, "the node has closed the connection"
            data += piece
        return data

    def _read(self):
        prefix = self._take(PREFIX_BYTES)
        body_bytes, _, _, _, flags, header_bytes, _ = struct.unpack("<IIHBBIQ", prefix)
        return flags, self._take(body_bytes)[:header_bytes]

    def delete(self, request_id, epoch=None, key=None):
        """The WriteResponse to the deletion of an item that is not there; status 0 when it is left out."""
        header = encode({1: self.group, 2: self.epoch if epoch is None else epoch, 3: key or self.key, 4: request_id,
                         5: DELETE})
        self.calls += 1
        self.socket.sendall(frame(WRITE, header, call_id=self.calls))
        flags, answer = self._read()
        assert flags == RESPONSE
        return {1: OK, **decode(answer)}
