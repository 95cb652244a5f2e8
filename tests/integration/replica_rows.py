"""What one replica has, asked of its node directly: an eventually consistent read of the whole range, as a router would ask."""

import hashlib

from .controlplane.wire import Message, Wire, encode

RANGE = 0x0103
EVENTUAL, WRONG_RANGE, OK = 1, 3, 0
ROLE_ROUTER = 1


class NotServed(Exception):
    """The replica answers no eventually consistent read now."""


def _ask(wire, group, epoch, begin, end):
    header, payload = wire.call(RANGE, encode(f1=group, f2=epoch, f3=begin, f4=end, f8=EVENTUAL, f9=1_000_000,
                                              f10=1_000_000, f12=5_000_000))
    return header, payload


def route(wire, group):
    """What a node says of a group that it has a replica of: a dataplane Route."""
    header, _ = _ask(wire, group, 0, b"\0", b"")
    if header[1] != WRONG_RANGE or not header[2]:
        raise NotServed(f"group {group}: status {header[1]}")
    return Message(header[2])


def digest(row, group, loops, cluster_id):
    """`row` of fleet.json; how many items the replica there has, and a digest of them."""
    wire = Wire(row["ports"]["data"] + group % loops, role=ROLE_ROUTER, cluster_id=cluster_id)
    try:
        known = route(wire, group)
        epoch, begin, end = known[4], known[2] or b"", known[3] or b""
        count, hashed = 0, hashlib.sha256()
        while True:
            header, payload = _ask(wire, group, epoch, begin, end)
            if header[1] != OK:
                raise NotServed(f"group {group} at {row['name']}: status {header[1]}")
            count += header[3]
            hashed.update(payload)
            if header[6]:
                return count, hashed.hexdigest()
            begin = header[7]
    finally:
        wire.socket.close()
