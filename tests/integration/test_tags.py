"""TagResource, UntagResource, ListTagsOfResource with boto3."""

import uuid

import pytest
from botocore.exceptions import ClientError

from tests.faults.kill_probe import wait_for

from .conftest import create_table, make_client


@pytest.fixture
def arn(client):
    name = f"tags-{uuid.uuid4()}"
    create_table(client, name, Tags=[{"Key": "first", "Value": "1"}])
    return client.describe_table(TableName=name)["Table"]["TableArn"]


def tags_of(client, arn):
    tags = client.list_tags_of_resource(ResourceArn=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def refusal(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]


def test_tags_come_change_and_go(client, arn):
    assert tags_of(client, arn) == {"first": "1"}
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "second", "Value": ""}, {"Key": "first", "Value": "one"}])
    assert tags_of(client, arn) == {"first": "one", "second": ""}
    client.untag_resource(ResourceArn=arn, TagKeys=["first", "never there"])
    assert tags_of(client, arn) == {"second": ""}


def test_there_are_at_most_fifty(client, arn):
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": f"k{i}", "Value": "v" * 256} for i in range(49)])
    error = refusal(client.tag_resource, ResourceArn=arn, Tags=[{"Key": "one more", "Value": ""}])
    assert error == {"Code": "ValidationException",
                     "Message": "One or more parameter values were invalid: Too many tags: at most 50 are allowed"}
    assert len(tags_of(client, arn)) == 50


@pytest.mark.parametrize("tag, words", [
    ({"Key": "k" * 129, "Value": ""}, "Member must have length less than or equal to 128"),
    ({"Key": "k", "Value": "v" * 257}, "Member must have length less than or equal to 256"),
    ({"Key": "aws:x", "Value": ""}, "Tag keys starting with 'aws:' are reserved for system use"),
])
def test_a_wrong_tag_is_refused(client, arn, tag, words):
    error = refusal(client.tag_resource, ResourceArn=arn, Tags=[tag])
    assert error["Code"] == "ValidationException" and words in error["Message"]
    assert tags_of(client, arn) == {"first": "1"}


def test_nothing_to_do_is_refused(client, arn):
    assert refusal(client.tag_resource, ResourceArn=arn, Tags=[])["Message"] == (
        "Atleast one Tag needs to be provided as Input.")
    assert refusal(client.untag_resource, ResourceArn=arn, TagKeys=[])["Message"] == (
        "Atleast one Tag Key needs to be provided as Input.")


def test_the_resource_must_be_a_table_that_is_there(client, arn):
    error = refusal(client.list_tags_of_resource, ResourceArn="music")
    assert error == {"Code": "ValidationException",
                     "Message": "Invalid TableArn: Invalid ResourceArn provided as input music"}
    other = arn.rpartition("/")[0] + "/no-such-table"
    for call, more in ((client.list_tags_of_resource, {}), (client.untag_resource, {"TagKeys": ["x"]}),
                       (client.tag_resource, {"Tags": [{"Key": "x", "Value": ""}]})):
        assert refusal(call, ResourceArn=other, **more) == {
            "Code": "ResourceNotFoundException",
            "Message": f"Requested resource not found: ResourcArn: {other} not found"}


def is_known(client):
    """Whether the router that this client is connected to has heard of its key."""
    try:
        client.list_tables()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UnrecognizedClientException"
        return False
    return True


def test_another_tenant_sees_nothing_and_changes_nothing(client, fleet, arn):
    stranger = make_client(fleet, fleet.create_tenant(f"stranger-{uuid.uuid4()}"))
    wait_for(lambda: is_known(stranger), 30, "the router to know the key")
    for call, name, more in ((stranger.list_tags_of_resource, "ListTagsOfResource", {}),
                             (stranger.untag_resource, "UntagResource", {"TagKeys": ["first"]})):
        for resource in (arn, arn.rpartition("/")[0] + "/no-such-table"):
            error = refusal(call, ResourceArn=resource, **more)
            assert error["Code"] == "AccessDeniedException"
            assert error["Message"].endswith(f"is not authorized to perform: dynamodb:{name} on resource: {resource}")
    assert tags_of(client, arn) == {"first": "1"}
