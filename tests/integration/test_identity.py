"""GetCallerIdentity of STS, asked of our endpoint by boto3 and the AWS CLI as Terraform's provider and many programs do."""

import json
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.local.layout import REGION
from tests.faults.kill_client import signed_headers


def sts(fleet, key, **changes):
    key = {**key, **changes}
    return boto3.client("sts", endpoint_url=fleet.endpoint, region_name=REGION, aws_access_key_id=key["access_key_id"],
                        aws_secret_access_key=key["secret_access_key"], config=Config(retries={"total_max_attempts": 1}))


def refusal(call):
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_key_s_tenant_is_told(fleet, client, tenant):
    answer = sts(fleet, tenant).get_caller_identity()
    account = answer["Account"]
    assert account.isdigit() and len(account) == 12
    assert answer["Arn"].startswith(f"arn:aws:iam::{account}:user/")
    assert answer["UserId"] and answer["ResponseMetadata"]["RequestId"]
    client.create_table(TableName="identity", BillingMode="PAY_PER_REQUEST",
                        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    client.get_waiter("table_exists").wait(TableName="identity", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    assert client.describe_table(TableName="identity")["Table"]["TableArn"].split(":")[4] == account
    client.delete_table(TableName="identity")


def test_the_cli_says_the_same(fleet, tenant, client_environment):
    done = subprocess.run(["/usr/bin/aws", "--endpoint-url", fleet.endpoint, "sts", "get-caller-identity"],
                          env=client_environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Account"] == sts(fleet, tenant).get_caller_identity()["Account"]


def test_strangers_are_refused_in_the_service_s_names(fleet, tenant):
    assert refusal(sts(fleet, tenant, secret_access_key="x" * 40).get_caller_identity) == ("SignatureDoesNotMatch", 403)
    assert refusal(sts(fleet, tenant, access_key_id="AKIANOSUCHKEYATALLXX").get_caller_identity) == ("InvalidClientTokenId", 403)


def test_other_actions_are_not_served(fleet, tenant):
    assert refusal(sts(fleet, tenant).get_session_token) == ("InvalidAction", 400)


def test_a_signature_is_for_one_service(fleet, tenant, raw):
    """One for DynamoDB does not do, and a form of any size is no way past the limits."""
    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    kind = {"host": raw.host, "content-type": "application/x-www-form-urlencoded"}
    reply = raw.send(form, {**signed_headers(raw.key, raw.host, "PutItem", form), **kind})
    assert reply.status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in reply.body
    reply = raw.send(form, kind)
    assert reply.status == 403 and b"<Code>MissingAuthenticationToken</Code>" in reply.body
    assert raw.send(b"Action=" + b"x" * 70_000, kind).status == 413
