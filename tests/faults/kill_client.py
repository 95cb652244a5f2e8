"""A small signing client on a bare socket: cheap enough for a load in Python, and open to doing things wrong.

A stock SDK retries and hides what happened. Here one call is one request on the wire, and its outcome is one of
    acknowledged   200
    refused        4xx: it has no effect
    unsent         no connection: it has no effect
    unanswered     5xx, a lost connection, silence: it may have an effect, once
"""

import hashlib
import hmac
import json
import socket
import time
from dataclasses import dataclass, field

ACKNOWLEDGED, REFUSED, UNSENT, UNANSWERED = "acknowledged", "refused", "unsent", "unanswered"
REGION = "us-east-1"
CONTENT_TYPE = "application/x-amz-json-1.0"


@dataclass
class Reply:
    """What came back; status 0 when nothing did."""

    status: int
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    was_sent: bool = True

    @property
    def outcome(self):
        if self.status == 200:
            return ACKNOWLEDGED
        if 400 <= self.status < 500:
            return REFUSED
        return UNANSWERED if self.was_sent else UNSENT

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The exception's short name, or ''."""
        try:
            return self.json.get("__type", "").partition("#")[2]
        except (ValueError, AttributeError):
            return ""

    @property
    def message(self):
        return self.json.get("message", "")


def signature(secret, stamp, scope_parts, method, path, headers, body):
    """SigV4 over exactly these headers (a dictionary of lower-case names)."""
    names = sorted(headers)
    canonical = "\n".join([method, path, "", *(f"{n}:{headers[n].strip()}" for n in names), "", ";".join(names),
                           hashlib.sha256(body).hexdigest()])
    scope = "/".join(scope_parts)
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in scope_parts:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def signed_headers(key, host, operation, body, now=None, region=REGION, service="dynamodb"):
    """The headers of a well-signed request; a test spoils what it wants to see refused."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = (stamp[:8], region, service, "aws4_request")
    headers = {"host": host, "x-amz-date": stamp, "x-amz-target": f"DynamoDB_20120810.{operation}",
               "content-type": CONTENT_TYPE}
    proof = signature(key["secret_access_key"], stamp, scope, "POST", "/", headers, body)
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key['access_key_id']}/{'/'.join(scope)}, "
                                f"SignedHeaders={';'.join(sorted(set(headers)))}, Signature={proof}")
    return headers


def read_reply(connection):
    """One HTTP reply from a socket; raises OSError when the connection ends or falls silent."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("closed before an answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "-1"))  # without one the body lasts until the connection ends
    body = bytearray(body)
    while length < 0 or len(body) < length:
        piece = connection.recv(65536)
        if not piece and length < 0:
            break
        if not piece:
            raise ConnectionError("closed within an answer")
        body += piece
    return Reply(int(lines[0].split()[1]), bytes(body), headers)


class Client:
    """One keep-alive connection to the endpoint. Not thread-safe; never retries."""

    def __init__(self, host, port, key, timeout=15):
        self.address = (host, port)
        self.host = f"{host}:{port}"
        self.key = key
        self.timeout = timeout
        self.socket = None

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def call(self, operation, **request):
        """A well-formed request."""
        body = json.dumps(request).encode()
        return self.send(body, signed_headers(self.key, self.host, operation, body))

    def send(self, body, headers, method="POST", path="/"):
        """Any request."""
        head = "".join([f"{method} {path} HTTP/1.1\r\n", *(f"{n}: {v}\r\n" for n, v in headers.items()),
                        f"content-length: {len(body)}\r\n\r\n"])
        try:
            if self.socket is None:
                self.socket = socket.create_connection(self.address, self.timeout)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            return Reply(0, was_sent=False)
        try:
            self.socket.sendall(head.encode() + body)
            reply = read_reply(self.socket)
        except OSError:
            self.close()
            return Reply(0)
        if reply.headers.get("connection", "").lower() == "close":
            self.close()
        return reply

    def settled(self, operation, seconds=60, **request):
        """Call until there is an answer of 200, for reads and set-up; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            reply = self.call(operation, **request)
            if reply.status == 200:
                return reply.json
            if time.monotonic() > deadline:
                raise TimeoutError(f"{operation}: no success in {seconds} s; the last answer: "
                                   f"{reply.status} {reply.body[:300]!r}")
            time.sleep(0.02)


def create_table(client, name, seconds=60, partition_key="pk", **more):
    """A table with a partition key of type S, ACTIVE on return; on demand unless told otherwise."""
    more.setdefault("BillingMode", "PAY_PER_REQUEST")
    deadline = time.monotonic() + seconds
    while True:
        reply = client.call("CreateTable", TableName=name,
                            KeySchema=[{"AttributeName": partition_key, "KeyType": "HASH"}],
                            AttributeDefinitions=[{"AttributeName": partition_key, "AttributeType": "S"}], **more)
        if reply.status == 200 or reply.error == "ResourceInUseException":
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"table {name} cannot be created: {reply.status} {reply.body[:300]!r}")
        time.sleep(0.1)
    while client.settled("DescribeTable", TableName=name)["Table"]["TableStatus"] != "ACTIVE":
        if time.monotonic() > deadline:
            raise TimeoutError(f"table {name} is not ACTIVE after {seconds} s")
        time.sleep(0.05)
