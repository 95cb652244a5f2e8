"""Garbage on every port of every process: nobody falls over, and others are served meanwhile."""

import random
import socket
import time

import pytest

from deploy.local.layout import HOST

from .frames import PREFIX_BYTES, REFUSAL, RESPONSE, frame, hello

pytestmark = pytest.mark.usefixtures("unharmed")

SEED = 4
ANSWER_SECONDS = 1
# Of docs/formats/frame.md: the wire's own, the data plane's, the control plane's, and some that nobody knows.
TYPES = [0, 1, 2, 3, 15, 16, 0x0101, 0x0102, 0x0103, 0x0110, 0x0111, 0x0201, 0x0210, 0x0211, 0x0220, 0x0221, 0x0230, 0xFFFF]


def ports(fleet):
    return [(f"{row['name']}:{kind}", port) for row in fleet.rows() for kind, port in row["ports"].items()
            if row["role"] != "postgres"]  # which listens on a socket in the file system only


def wire_ports(fleet):
    return [(row["name"], row["ports"]["data"]) for row in fleet.rows()
            if row["role"] in ("node", "memds", "control")]


def shout(port, pieces, seconds=ANSWER_SECONDS):
    """Send the pieces, take what comes back until the other side closes or is silent."""
    answer = b""
    with socket.create_connection((HOST, port), 5) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.settimeout(seconds)
            while piece := connection.recv(65536):
                answer += piece
        except OSError:  # closed in our face, or silent: both are fine
            pass
    return answer


def garbage(chance):
    """Bytes that are not what any port expects, and some that begin as if."""
    noise = chance.randbytes
    yield [b""]
    yield [noise(1)]
    yield [noise(100)]
    yield [noise(100_000)]
    yield [b"\0" * 100_000]
    yield [b"\xff" * 100_000]
    yield [b"\n" * 10_000]
    yield [b"GET / HTTP/1.1\r\n\r\n"]
    yield [b"GET / HTTP/9.9\r\nhost: x\r\n\r\n"]
    yield [b"GET /" + noise(3000) + b" HTTP/1.1\r\n\r\n"]
    yield [b"GET /metrics?" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"]
    yield [b"GET /metrics HTTP/1.1\r\n" + b"".join(b"h%d: %s\r\n" % (i, b"v" * 200) for i in range(1000)) + b"\r\n"]
    yield [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n"]
    yield [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n", noise(1000)]
    yield [b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n", noise(1000)]
    yield [b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n"]
    yield [b"POST /v1/tenants HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n{{{"]
    yield [b"DELETE /debug/replicas HTTP/1.1\r\nhost: x\r\n\r\n"]
    yield [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    yield [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", noise(500)]


def test_garbage_on_every_port_harms_nobody(fleet):
    chance = random.Random(SEED)
    for _, port in ports(fleet):
        for pieces in garbage(chance):
            shout(port, pieces, 0.05)


def test_admin_and_operator_ports_answer_garbage_with_a_client_error(fleet):
    for row in fleet.rows():
        for kind in ("admin", "operator"):
            if kind in row["ports"]:
                answer = shout(row["ports"][kind], [b"POST /no/such/path HTTP/1.1\r\nhost: x\r\n"
                                                    b"content-length: 2\r\nconnection: close\r\n\r\n{}"])
                assert answer[:10] == b"HTTP/1.1 4", (row["name"], kind, answer[:100])


def test_half_frames_harm_nobody(fleet, cluster_id):
    whole = hello(cluster_id) + frame(0x0102, b"\x08\x01" * 20, b"payload", call_id=9)
    for _, port in wire_ports(fleet):
        for length in [*range(0, len(whole), 3), len(whole) - 1]:
            shout(port, [whole[:length]], 0.02)


def test_flipped_bits_harm_nobody(fleet, cluster_id):
    greeting, call = hello(cluster_id), frame(0x0101, b"\x08\x01\x10\x02\x1a\x03key", call_id=9)
    for _, port in wire_ports(fleet):
        for start, length in ((0, len(greeting)), (len(greeting), len(call))):
            for bit in range(8 * start, 8 * (start + length), 11):
                bad = bytearray(greeting + call)
                bad[bit // 8] ^= 1 << bit % 8
                shout(port, [bytes(bad)], 0.02)


def test_a_damaged_frame_ends_its_connection_and_is_counted(fleet, cluster_id):
    bad = bytearray(frame(0x0101, b"\x08\x01", call_id=9))
    bad[-1] ^= 1
    for _, port in wire_ports(fleet):
        answer = shout(port, [hello(cluster_id), bytes(bad)])
        assert len(answer) <= len(hello(cluster_id)) + 8, "nothing but the other side's hello is an answer to this"


def test_a_good_hello_is_answered_and_an_unknown_type_refused(fleet, cluster_id):
    """The frames of this file are as the services want them, so that what is refused elsewhere is what was spoilt."""
    for name, port in wire_ports(fleet):
        answer = shout(port, [hello(cluster_id), frame(0x02FF, call_id=77)], 0.3)
        assert frame(REFUSAL, b"INVALID", call_id=77, flags=RESPONSE) in answer, (name, answer)


@pytest.mark.parametrize("spoil", ["cluster", "magic", "version", "none", "late"])
def test_a_wrong_hello_is_not_served(fleet, cluster_id, spoil):
    greeting = {"cluster": hello(cluster_id ^ 1), "magic": hello(cluster_id, magic=1),
                "version": hello(cluster_id, version=99), "none": b"", "late": frame(0x0211, call_id=1)}[spoil]
    for _, port in wire_ports(fleet):
        answer = shout(port, [greeting, frame(0x0221, b"", call_id=77)])
        assert (77).to_bytes(8, "little") not in answer


@pytest.mark.parametrize("wrong", [
    {"header_bytes": 100}, {"body_bytes": 0}, {"body_bytes": 1 << 31}, {"body_bytes": 33 << 20},
    {"version": 0}, {"version": 200}, {"flags": 3}, {"flags": 0x80}, {"flags": 1},
])
def test_a_wrong_prefix_with_a_right_checksum_harms_nobody(fleet, cluster_id, wrong):
    for _, port in wire_ports(fleet):
        for kind in TYPES:
            shout(port, [hello(cluster_id), frame(kind, b"\x08\x01", b"xyz", **{"call_id": 5, **wrong})], 0.02)


def test_headers_that_do_not_decode_are_refused_in_each_service(fleet, cluster_id):
    """Checksums are right and the hello is good: what is wrong is the message. A refusal, or silence for one-way."""
    chance = random.Random(SEED)
    for _, port in wire_ports(fleet):
        for kind in TYPES:
            for flags in (0, 2):
                calls = [frame(kind, chance.randbytes(length), chance.randbytes(chance.choice((0, 5, 900))),
                               call_id=0 if flags else 5, flags=flags) for length in (0, 1, 2, 7, 30, 300, 3000)]
                shout(port, [hello(cluster_id), *calls], 0.05)


def field(number, value):
    """A protobuf field: a number, or bytes."""
    def varint(n):
        out = bytearray()
        while n > 127:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes([*out, n])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def test_calls_that_decode_but_make_no_sense_are_refused(fleet, cluster_id):
    """Fields as in the .proto files, with values that no service of ours sends. (Random replication messages are
    the simulator's and the fuzzers' business: who may speak to a node's peers is trusted to say who it is.)"""
    chance = random.Random(SEED)
    huge = (1 << 64) - 1
    reads = [field(1, group) + field(2, epoch) + field(3, key) + field(4, consistency) + field(5, 1000)
             for group in (0, 1, 2, huge) for epoch in (0, 1, huge) for key in (b"", b"\0" * 16, chance.randbytes(5000))
             for consistency in (0, 1, 99)]
    writes = [field(1, group) + field(2, 1) + field(3, key) + field(4, request_id) + field(5, kind) + field(6, 77)
              + field(8, item) + field(9, condition) + field(10, update) + field(11, 1000)
              for group in (0, 1, huge) for key in (b"", chance.randbytes(100)) for request_id in (b"", b"x" * 99)
              for kind in (0, 2, 50) for item, condition, update in ((4000, 0, 0), (1 << 31, 1 << 31, 5), (3, 3, 1))]
    ranges = [field(1, group) + field(2, epoch) + field(3, begin) + field(4, end) + field(5, backward) + field(8, 99)
              + field(9, items) + field(10, 1 << 20) + field(11, filter_) + field(12, 1000)
              for group in (1, 2, huge) for epoch in (1, huge) for begin, end in ((b"", b""), (b"\0" * 16, b"\xff" * 9000),
              (b"\xff" * 8, b"\0"), (b"\0", b"")) for backward in (0, 1) for items in (0, 1, huge) for filter_ in (0, 7, huge)]
    lookups = [field(1, b""), field(1, b"x" * 5000), field(1, b"") * 2000]
    fetches = [field(1, huge) + field(2, 0xFFFFFFFF), field(1, 5) + field(2, 0)]
    controls = [field(1, b"no such tenant") + field(2, b"DescribeTable"), field(2, b"\xff\xfe"), field(2, b"x" * 10000)]
    for _, port in wire_ports(fleet):
        for kind, headers in ((0x0101, reads), (0x0102, writes), (0x0103, ranges), (0x0211, lookups),
                              (0x0221, fetches), (0x0230, controls)):
            frames = [frame(kind, header, b"abcdefg", call_id=number + 1) for number, header in enumerate(headers)]
            shout(port, [hello(cluster_id), *frames], 0.2)


def test_connections_that_say_nothing_are_closed(fleet):
    """The first frame must come within two seconds; a silent peer holds no place."""
    connections = [socket.create_connection((HOST, port), 5) for _, port in wire_ports(fleet) for _ in range(20)]
    began = time.monotonic()
    for connection in connections:
        connection.settimeout(10)
        try:
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass
        connection.close()
    assert time.monotonic() - began < 6


def test_a_frame_is_as_its_page_says():
    assert PREFIX_BYTES == len(frame(1))
    assert frame(0x0101, b"head", b"payload", call_id=0x1122334455667788).hex() == (
        "0b0000001a04435d01010100040000008877665544332211686561647061796c6f6164")
