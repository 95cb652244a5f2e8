"""The everyday API with the AWS CLI: every call, its paging, its exit codes and words."""

import json
import re
import subprocess

import pytest
from botocore import xform_name

from .everyday import CALLS, ITEMS, LARGE, LARGE_KEYS, ROWS, check, name_of, operation_of

REFUSED = 254  # the CLI's exit code for an error of the service
WAIT = {"Delay": 0.2, "MaxAttempts": 150}


@pytest.fixture
def aws(client_environment):
    def run(*words, expected=0):
        """The answer; of a refusal, what the CLI says."""
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", client_environment["SLUICE_ENDPOINT"], "dynamodb", *words],
                              env=client_environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == expected, done.stdout + done.stderr
        if expected != 0:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout.strip() else {}
    return run


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_every_call_is_answered_or_refused(aws, everyday, call):
    call = everyday.filled(call)
    operation = operation_of(call)
    words = (xform_name(operation, "-"), "--no-paginate", "--cli-input-json", json.dumps(call[operation]))
    if "refused" not in call:
        check(call, aws(*words))
        return
    said = aws(*words, expected=REFUSED)
    tries = r"( \(reached max retries: \d\))?"  # of what counts as a throttle to it
    assert re.match(f"An error occurred \\({call['refused']}\\) when calling the {operation} operation{tries}: ?"
                    f"{re.escape(call['message'])}", said), said


def test_it_follows_pages(aws, everyday):
    query = ("query", "--table-name", LARGE, "--consistent-read", "--key-condition-expression", "pk = :pk",
             "--expression-attribute-values", '{":pk": {"S": "p2"}}', "--projection-expression", "sk")
    rows = [f"{row:02}" for row in range(ROWS)]
    keys = ("--query", "{keys: Items[].sk.S, token: NextToken, last: LastEvaluatedKey.sk.S}")
    assert aws(*query, *keys) == {"keys": rows, "token": None, "last": None}
    assert aws(*query, *keys, "--no-paginate") == {"keys": rows[:4], "token": None, "last": rows[3]}
    part = aws(*query, *keys, "--no-scan-index-forward", "--page-size", "2", "--max-items", "5")
    rest = aws(*query, *keys, "--no-scan-index-forward", "--starting-token", part["token"])
    assert part["keys"] + rest["keys"] == rows[::-1]


def test_it_scans_segments(aws, everyday):
    found = [key for segment in ("0", "1")
             for key in aws("scan", "--table-name", LARGE, "--consistent-read", "--projection-expression", "pk, sk",
                            "--segment", segment, "--total-segments", "2")["Items"]]
    assert sorted(found, key=str) == sorted(LARGE_KEYS, key=str)


def test_unprocessed_keys_are_asked_for_again(aws, everyday, tmp_path):
    """What comes back as UnprocessedKeys is a request as it stands."""
    request, found, rounds = {LARGE: {"Keys": LARGE_KEYS, "ConsistentRead": True}}, [], 0
    while request:
        file = tmp_path / "request.json"
        file.write_text(json.dumps(request), encoding="utf-8")
        answer = aws("batch-get-item", "--request-items", f"file://{file}",
                     "--query", f'{{found: Responses."{LARGE}"[].{{pk: pk, sk: sk}}, left: UnprocessedKeys}}')
        found += answer["found"]
        request = answer["left"]
        rounds += 1
    assert rounds > 1 and sorted(found, key=str) == sorted(LARGE_KEYS, key=str)


def test_the_life_of_a_table(aws, client):
    name = "everyday-cli"

    def is_active():
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=WAIT)  # the CLI's own looks every 20 s
        return aws("describe-table", "--table-name", name)["Table"]

    aws("create-table", "--table-name", name, "--provisioned-throughput", "ReadCapacityUnits=2,WriteCapacityUnits=2",
        "--attribute-definitions", "AttributeName=k,AttributeType=B", "--key-schema", "AttributeName=k,KeyType=HASH",
        "--tags", "Key=a,Value=1")
    arn = is_active()["TableArn"]
    aws("wait", "table-exists", "--table-name", name)
    answer = aws("update-table", "--table-name", name, "--provisioned-throughput", "ReadCapacityUnits=3,WriteCapacityUnits=2")
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"
    assert is_active()["ProvisionedThroughput"]["ReadCapacityUnits"] == 3
    aws("update-table", "--table-name", arn, "--billing-mode", "PAY_PER_REQUEST")
    assert is_active()["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    aws("update-table", "--table-name", name, "--table-class", "STANDARD_INFREQUENT_ACCESS")
    assert is_active()["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    aws("tag-resource", "--resource-arn", arn, "--tags", "Key=b,Value=2")
    aws("untag-resource", "--resource-arn", arn, "--tag-keys", "a")
    assert aws("list-tags-of-resource", "--resource-arn", arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    aws("delete-table", "--table-name", name)
    client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig=WAIT)
    aws("wait", "table-not-exists", "--table-name", name)
