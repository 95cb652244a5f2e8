"""Frames and protobuf messages by hand (docs/formats/frame.md), so that a test can play a node or a router."""

import socket
import struct
import threading

HELLO, REFUSE = 1, 2
RESPONSE, ONE_WAY = 1, 2


def _table():
    rows = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        rows.append(n)
    return rows


_ROWS = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _ROWS[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(**fields):
    """f1=5, f2="text", f3=[b"...", ...]: a message of field numbers."""
    out = b""
    for name, values in fields.items():
        number = int(name[1:])
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, (bool, int)):
                out += _varint(number << 3) + _varint(int(value))
            else:
                data = value.encode() if isinstance(value, str) else value
                out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def _read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


class Message:
    """m[3] is the last value of field 3 (0 when absent), m.all(3) the list of all."""

    def __init__(self, data):
        self.fields = {}
        at = 0
        while at < len(data):
            tag, at = _read_varint(data, at)
            if tag & 7 == 0:
                value, at = _read_varint(data, at)
            else:
                assert tag & 7 == 2
                length, at = _read_varint(data, at)
                value, at = data[at:at + length], at + length
            self.fields.setdefault(tag >> 3, []).append(value)

    def __getitem__(self, number):
        return self.fields.get(number, [0])[-1]

    def all(self, number):
        return self.fields.get(number, [])

    def text(self, number):
        return self.fields.get(number, [b""])[-1].decode()


class Refused(Exception):
    """The peer said that it did not do it."""


class Wire:
    """One connection; calls from any thread."""

    def __init__(self, port, role=7, cluster_id=1, node_id=0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.settimeout(None)
        self.lock = threading.Lock()
        self.answers = {}
        self.arrived = threading.Condition()
        self.last_call = 0
        self.is_closed = False
        hello = struct.pack("<IHHQIH", 0x454C5553, 1, 1, cluster_id, node_id, role)
        self.socket.sendall(self._frame(HELLO, ONE_WAY, 0, b"", hello))
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def _frame(kind, flags, call_id, header, payload):
        rest = struct.pack("<HBBIQ", kind, 1, flags, len(header), call_id) + header + payload
        return struct.pack("<II", len(header) + len(payload), crc32c(rest)) + rest

    def _receive(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def _read(self):
        try:
            while True:
                body_bytes, crc = struct.unpack("<II", self._receive(8))
                rest = self._receive(16 + body_bytes)
                assert crc == crc32c(rest)
                kind, _, flags, header_bytes, call_id = struct.unpack("<HBBIQ", rest[:16])
                if not flags & RESPONSE:
                    continue
                with self.arrived:
                    self.answers[call_id] = (kind, rest[16:16 + header_bytes], rest[16 + header_bytes:])
                    self.arrived.notify_all()
        except OSError:
            with self.arrived:
                self.is_closed = True
                self.arrived.notify_all()

    def call(self, kind, header, payload=b"", timeout=10):
        """(header as Message, payload)."""
        with self.lock:
            self.last_call += 1
            call_id = self.last_call
            self.socket.sendall(self._frame(kind, 0, call_id, header, payload))
        with self.arrived:
            if not self.arrived.wait_for(lambda: call_id in self.answers or self.is_closed, timeout):
                raise TimeoutError
            if call_id not in self.answers:
                raise ConnectionError("closed")
            answer_kind, answer_header, answer_payload = self.answers.pop(call_id)
        if answer_kind != kind:
            raise Refused(answer_header + answer_payload)
        return Message(answer_header), answer_payload

    def close(self):
        self.is_closed = True
        self.socket.close()
