"""The tour with the AWS CLI, unmodified, through --endpoint-url."""

import json
import subprocess


def test_the_aws_cli_takes_the_tour(client_environment):
    def aws(*words, expected=0):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", client_environment["SLUICE_ENDPOINT"], "dynamodb", *words],
                              env=client_environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == expected, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    key = json.dumps({"pk": {"S": "a"}, "sk": {"N": "1"}})
    created = aws("create-table", "--table-name", "tour-cli", "--billing-mode", "PAY_PER_REQUEST",
                  "--attribute-definitions", "AttributeName=pk,AttributeType=S",
                  "AttributeName=sk,AttributeType=N",
                  "--key-schema", "AttributeName=pk,KeyType=HASH", "AttributeName=sk,KeyType=RANGE")
    assert created["TableDescription"]["TableStatus"] == "CREATING"
    aws("wait", "table-exists", "--table-name", "tour-cli")
    assert "tour-cli" in aws("list-tables")["TableNames"]
    aws("put-item", "--table-name", "tour-cli",
        "--item", json.dumps({"pk": {"S": "a"}, "sk": {"N": "1"}, "v": {"L": [{"B": "AAE="}]}}))
    updated = aws("update-item", "--table-name", "tour-cli", "--key", key,
                  "--update-expression", "SET v = list_append(v, :more)",
                  "--expression-attribute-values", json.dumps({":more": {"L": [{"BOOL": True}]}}),
                  "--return-values", "ALL_NEW", "--return-consumed-capacity", "TOTAL")
    assert updated["Attributes"]["v"] == {"L": [{"B": "AAE="}, {"BOOL": True}]}
    assert updated["ConsumedCapacity"]["CapacityUnits"] == 1.0
    got = aws("get-item", "--table-name", "tour-cli", "--key", key, "--consistent-read")
    assert got["Item"] == updated["Attributes"]
    refused = aws("delete-item", "--table-name", "tour-cli", "--key", key,
                  "--condition-expression", "attribute_not_exists(v)", expected=254)
    assert "ConditionalCheckFailedException" in refused
    gone = aws("delete-item", "--table-name", "tour-cli", "--key", key, "--return-values", "ALL_OLD")
    assert gone["Attributes"] == updated["Attributes"]
    assert aws("describe-table", "--table-name", "tour-cli")["Table"]["TableStatus"] == "ACTIVE"
    aws("delete-table", "--table-name", "tour-cli")
    aws("wait", "table-not-exists", "--table-name", "tour-cli")
