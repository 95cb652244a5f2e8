// The tour with the JavaScript SDK v3, unmodified. The endpoint and the credentials come from the environment.
import assert from "node:assert/strict";
import {
  CreateTableCommand, DeleteItemCommand, DeleteTableCommand, DescribeTableCommand, DynamoDBClient,
  GetItemCommand, ListTablesCommand, PutItemCommand, UpdateItemCommand,
  waitUntilTableExists, waitUntilTableNotExists,
} from "@aws-sdk/client-dynamodb";

const client = new DynamoDBClient({ endpoint: process.env.SLUICE_ENDPOINT });
const TableName = "tour-js";
const Key = { pk: { S: "a" }, sk: { B: new Uint8Array([0, 255]) } };
const wait = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };

const created = await client.send(new CreateTableCommand({
  TableName,
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }, { AttributeName: "sk", AttributeType: "B" }],
  KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
}));
assert.equal(created.TableDescription.TableStatus, "CREATING");
assert.ok(created.TableDescription.CreationDateTime instanceof Date);
await waitUntilTableExists(wait, { TableName });
assert.ok((await client.send(new ListTablesCommand({}))).TableNames.includes(TableName));

const Item = { ...Key, n: { N: "1.50" }, m: { M: { deep: { L: [{ SS: ["x", "y"] }] } } } };
await client.send(new PutItemCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)" }));
await assert.rejects(
  client.send(new PutItemCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)" })),
  { name: "ConditionalCheckFailedException", message: "The conditional request failed" });

const updated = await client.send(new UpdateItemCommand({
  TableName, Key, UpdateExpression: "SET #n = #n + :one, m.deep[1] = :new",
  ExpressionAttributeNames: { "#n": "n" },
  ExpressionAttributeValues: { ":one": { N: "1" }, ":new": { BOOL: false } },
  ReturnValues: "UPDATED_NEW", ReturnConsumedCapacity: "TOTAL",
}));
assert.deepEqual(updated.Attributes, { n: { N: "2.5" }, m: { M: { deep: { L: [{ BOOL: false }] } } } });
assert.equal(updated.ConsumedCapacity.CapacityUnits, 1);

const got = await client.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }));
assert.deepEqual(got.Item.sk.B, Key.sk.B);
assert.equal(got.Item.m.M.deep.L.length, 2);
const gone = await client.send(new DeleteItemCommand({ TableName, Key, ReturnValues: "ALL_OLD" }));
assert.deepEqual(gone.Attributes.n, { N: "2.5" });
assert.equal((await client.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }))).Item, undefined);
await client.send(new GetItemCommand({ TableName, Key }));

assert.equal((await client.send(new DescribeTableCommand({ TableName }))).Table.TableStatus, "ACTIVE");
await client.send(new DeleteTableCommand({ TableName }));
await waitUntilTableNotExists(wait, { TableName });
console.log("tour complete");
