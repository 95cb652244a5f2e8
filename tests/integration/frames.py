"""Frames between services, built from docs/formats/frame.md alone, to be damaged."""

import struct

HELLO, REFUSAL = 1, 2     # types
RESPONSE, ONE_WAY = 1, 2  # flags
MAGIC, VERSION, ROLE_TOOL = 0x454C5553, 1, 7
PREFIX_BYTES = 24


def _table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


CRC_TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def frame(kind, header=b"", payload=b"", call_id=0, flags=0, version=VERSION, header_bytes=None, body_bytes=None):
    """A frame; the last three make a wrong one with a right checksum."""
    body = header + payload
    rest = struct.pack("<HBBIQ", kind, version, flags, len(header) if header_bytes is None else header_bytes,
                       call_id) + body
    return struct.pack("<II", len(body) if body_bytes is None else body_bytes, crc32c(rest)) + rest


def hello(cluster_id, role=ROLE_TOOL, magic=MAGIC, version=VERSION):
    payload = struct.pack("<IHHQIH", magic, version, version, cluster_id, 0, role)
    return frame(HELLO, payload=payload, flags=ONE_WAY)
