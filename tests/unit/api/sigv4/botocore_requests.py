"""Print random requests signed by botocore, for verify_test.c.

One request per line, fields in hexadecimal, separated by blanks:
seconds-since-1970, method, path, query, body, then name and value of each header.
"""
import random
import sys
import time
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WORDS = ["a", "Zz9", "-._~", "%20", "%2F", "%7e", "x y", "*", "é", "=", "+", ":", "@", "!", "(1)", ","]


def word(random_source, bad=""):
    pieces = random_source.choices([w for w in WORDS if w not in bad], k=random_source.randint(0, 4))
    return "".join(pieces)


def make(random_source):
    path = "/"
    if random_source.random() < 0.4:
        segments = [random_source.choice(["", ".", "..", "t", word(random_source, "é x y")]) for _ in range(4)]
        path = "/" + "/".join(segments)
    params = None
    if random_source.random() < 0.5:
        params = {word(random_source) + str(i): word(random_source) for i in range(random_source.randint(1, 5))}
    headers = {
        "X-Amz-Target": "DynamoDB_20120810.PutItem",
        "Content-Type": "application/x-amz-json-1.0",
    }
    if random_source.random() < 0.5:
        headers["X-Odd"] = "  a   b \t c  "
    if random_source.random() < 0.3:
        headers["x-amz-meta-empty"] = ""
    if random_source.random() < 0.2:
        headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    body = random_source.randbytes(random_source.choice([0, 1, 55, 56, 64, 1000, 20000]))
    host = random_source.choice(["localhost:8000", "127.0.0.1:18000", "dynamodb.eu-west-1.amazonaws.com"])
    method = random_source.choice(["POST", "POST", "GET", "PUT"])
    is_presigned = random_source.random() < 0.3
    if is_presigned:
        body = b""  # botocore moves bodies into the query
        headers.pop("Date", None)
    request = AWSRequest(method=method, url="http://" + host + path, data=body, headers=headers, params=params)
    if is_presigned:
        SigV4QueryAuth(CREDENTIALS, "dynamodb", "eu-west-1", expires=600).add_auth(request)
    else:
        SigV4Auth(CREDENTIALS, "dynamodb", "eu-west-1").add_auth(request)
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    sent = [("Host", host)]
    for name, value in prepared.headers.items():
        sent.append((name, value.decode("latin-1") if isinstance(value, bytes) else str(value)))
    random_source.shuffle(sent)
    fields = [str(int(time.time())), method, url.path, url.query, None]
    encoded = [f.encode("utf-8") if f is not None else body for f in fields]
    for name, value in sent:
        encoded += [name.encode(), value.encode("latin-1")]
    return " ".join(f.hex() or "-" for f in encoded)


def main():
    random_source = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[1])):
        print(make(random_source))


main()
