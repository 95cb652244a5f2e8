// The everyday API with the JavaScript SDK v3, unmodified. The endpoint and the credentials come from the environment,
// the names of tables and the calls with the answers that they must get from standard input.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as sdk from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand, BatchWriteCommand, DeleteCommand, DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand,
  ScanCommand, UpdateCommand, paginateQuery as paginateDocumentQuery,
} from "@aws-sdk/lib-dynamodb";

const book = JSON.parse(readFileSync(0, "utf8"));
const endpoint = process.env.SLUICE_ENDPOINT;
const client = new sdk.DynamoDBClient({ endpoint });
const documents = DynamoDBDocumentClient.from(client);
const wait = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };

// Every call, with the answer that it must get, or the exception, as a class if the model has it.
async function checkCall({ answer = {}, order, refused, message, ...call }) {
  const [[operation, request]] = Object.entries(call);
  const command = new sdk[`${operation}Command`](request);
  if (refused !== undefined) {
    await assert.rejects(client.send(command), (error) => {
      assert.equal(error.name, refused);
      assert.ok(error.message.startsWith(message), error.message);
      assert.equal(error.$metadata.httpStatusCode, 400);
      assert.match(error.$metadata.requestId, /^[0-9A-Z]{52}$/);
      return error instanceof (sdk[refused] ?? sdk.DynamoDBServiceException);
    });
    return;
  }
  const got = await client.send(command);
  for (const [name, value] of Object.entries(answer)) {
    assert.deepEqual(got[name], value ?? undefined, `${operation} ${name}`);
  }
  if (order !== undefined) {
    assert.deepEqual(got.Items.map((item) => item.sk.S), order);
  }
}

for (const call of book.calls) {
  await checkCall(call);
}

// Paginators, of both libraries.
async function all(pages) {
  const found = [];
  for await (const page of pages) {
    found.push(page);
  }
  return found;
}
const rows = Array.from({ length: book.rows }, (_, row) => String(row).padStart(2, "0"));
const query = {
  TableName: book.large, ConsistentRead: true, ProjectionExpression: "sk", KeyConditionExpression: "pk = :pk",
};
let pages = await all(sdk.paginateQuery({ client }, { ...query, ExpressionAttributeValues: { ":pk": { S: "p0" } } }));
assert.deepEqual(pages.map((page) => page.Count), [4, 4, 4, 3]);
assert.deepEqual(pages.flatMap((page) => page.Items).map((item) => item.sk.S), rows);
pages = await all(paginateDocumentQuery({ client: documents, pageSize: 7 }, {
  ...query, ScanIndexForward: false, ExpressionAttributeValues: { ":pk": "p3" },
}));
assert.deepEqual(pages.flatMap((page) => page.Items).map((item) => item.sk), rows.toReversed());
const byText = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const segments = await Promise.all([0, 1, 2, 3].map((Segment) => all(sdk.paginateScan({ client }, {
  TableName: book.large, ConsistentRead: true, ProjectionExpression: "pk, sk", Segment, TotalSegments: 4,
}))));
assert.deepEqual(segments.flat().flatMap((page) => page.Items).sort(byText), [...book.largeKeys].sort(byText));
const tables = (await all(sdk.paginateListTables({ client, pageSize: 1 }, {}))).flatMap((page) => page.TableNames);
assert.ok(tables.includes(book.items) && tables.includes(book.large));

// What is unprocessed is asked for again.
let request = { [book.large]: { Keys: book.largeKeys, ConsistentRead: true } };
let found = [];
let rounds = 0;
while (Object.keys(request).length > 0) {
  const got = await client.send(new sdk.BatchGetItemCommand({ RequestItems: request }));
  found.push(...got.Responses[book.large].map(({ pk, sk }) => ({ pk, sk })));
  request = got.UnprocessedKeys;
  rounds += 1;
}
assert.ok(rounds > 1);
assert.deepEqual(found.sort(byText), [...book.largeKeys].sort(byText));

// The life of a table, with what only newer models have.
const TableName = "everyday-js";
async function changed(change) {
  const { TableDescription } = await client.send(new sdk.UpdateTableCommand({ TableName, ...change }));
  assert.equal(TableDescription.TableStatus, "UPDATING");
  await sdk.waitUntilTableExists(wait, { TableName });
  return (await client.send(new sdk.DescribeTableCommand({ TableName }))).Table;
}
await client.send(new sdk.CreateTableCommand({
  TableName, ProvisionedThroughput: { ReadCapacityUnits: 2, WriteCapacityUnits: 2 }, DeletionProtectionEnabled: true,
  KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "k", AttributeType: "S" }],
  Tags: [{ Key: "a", Value: "1" }],
}));
await sdk.waitUntilTableExists(wait, { TableName });
let { Table: table } = await client.send(new sdk.DescribeTableCommand({ TableName }));
const ResourceArn = table.TableArn;
assert.deepEqual((await client.send(new sdk.DescribeTableCommand({ TableName: ResourceArn }))).Table, table);
assert.match(table.TableId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
assert.equal(table.WarmThroughput.Status, "ACTIVE");
assert.ok(table.WarmThroughput.ReadUnitsPerSecond > 0 && table.WarmThroughput.WriteUnitsPerSecond > 0);
assert.equal(table.DeletionProtectionEnabled, true);
await assert.rejects(client.send(new sdk.DeleteTableCommand({ TableName })), { name: "ValidationException" });
table = await changed({ DeletionProtectionEnabled: false });
assert.equal(table.DeletionProtectionEnabled, false);
table = await changed({ ProvisionedThroughput: { ReadCapacityUnits: 2, WriteCapacityUnits: 3 } });
assert.equal(table.ProvisionedThroughput.WriteCapacityUnits, 3);
assert.ok(table.ProvisionedThroughput.LastIncreaseDateTime instanceof Date);
table = await changed({ BillingMode: "PAY_PER_REQUEST", OnDemandThroughput: { MaxReadRequestUnits: 50 } });
assert.equal(table.BillingModeSummary.BillingMode, "PAY_PER_REQUEST");
assert.deepEqual(table.OnDemandThroughput, { MaxReadRequestUnits: 50, MaxWriteRequestUnits: -1 });
table = await changed({ TableClass: "STANDARD_INFREQUENT_ACCESS" });
assert.equal(table.TableClassSummary.TableClass, "STANDARD_INFREQUENT_ACCESS");
await client.send(new sdk.TagResourceCommand({ ResourceArn, Tags: [{ Key: "b", Value: "2" }] }));
await client.send(new sdk.UntagResourceCommand({ ResourceArn, TagKeys: ["a"] }));
const { Tags } = await client.send(new sdk.ListTagsOfResourceCommand({ ResourceArn }));
assert.deepEqual(Tags, [{ Key: "b", Value: "2" }]);

// Documents: the same calls with values of the language.
const Key = { k: "document" };
const Item = {
  ...Key, n: 12.5, list: [true, null, "x"], m: { deep: [{}] }, set: new Set(["a", "b"]), bytes: new Uint8Array([0, 255]),
};
await documents.send(new PutCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(k)" }));
assert.deepEqual((await documents.send(new GetCommand({ TableName, Key, ConsistentRead: true }))).Item, Item);
await assert.rejects(documents.send(new PutCommand({
  TableName, Item, ConditionExpression: "n > :n", ExpressionAttributeValues: { ":n": 20 },
  ReturnValuesOnConditionCheckFailure: "ALL_OLD",
})), (error) => {
  assert.ok(error instanceof sdk.ConditionalCheckFailedException);
  assert.deepEqual([error.Item.k, error.Item.n], [{ S: "document" }, { N: "12.5" }]);
  return true;
});
const updated = await documents.send(new UpdateCommand({
  TableName, Key, UpdateExpression: "SET m.deep[0].y = :y ADD n :n DELETE #s :s", ExpressionAttributeNames: { "#s": "set" },
  ExpressionAttributeValues: { ":y": { z: 1 }, ":n": 0.5, ":s": new Set(["a"]) }, ReturnValues: "ALL_NEW",
}));
assert.deepEqual(updated.Attributes, { ...Item, n: 13, m: { deep: [{ y: { z: 1 } }] }, set: new Set(["b"]) });
const puts = Array.from({ length: 24 }, (_, n) => ({ PutRequest: { Item: { k: `k${n}`, n } } }));
const written = await documents.send(new BatchWriteCommand({
  RequestItems: { [ResourceArn]: [...puts, { DeleteRequest: { Key } }] }, ReturnConsumedCapacity: "INDEXES",
}));
assert.deepEqual(written.UnprocessedItems, {});
assert.deepEqual(written.ConsumedCapacity, [{ TableName: ResourceArn, CapacityUnits: 25, Table: { CapacityUnits: 25 } }]);
const got = await documents.send(new BatchGetCommand({
  RequestItems: { [TableName]: { Keys: [{ k: "k3" }, Key], ConsistentRead: true } },
}));
assert.deepEqual(got.Responses[TableName], [{ k: "k3", n: 3 }]);
const few = await documents.send(new ScanCommand({
  TableName, ConsistentRead: true, FilterExpression: "n BETWEEN :a AND :b",
  ExpressionAttributeValues: { ":a": 3, ":b": 5 },
}));
assert.deepEqual(few.Items.map((item) => item.n).sort(), [3, 4, 5]);
const one = await documents.send(new QueryCommand({
  TableName, ConsistentRead: true, KeyConditionExpression: "k = :k", ExpressionAttributeValues: { ":k": "k7" },
}));
assert.deepEqual(one.Items, [{ k: "k7", n: 7 }]);
const gone = await documents.send(new DeleteCommand({ TableName, Key: { k: "k7" }, ReturnValues: "ALL_OLD" }));
assert.deepEqual(gone.Attributes, { k: "k7", n: 7 });
await client.send(new sdk.DeleteTableCommand({ TableName }));
await sdk.waitUntilTableNotExists(wait, { TableName });

// The endpoint that is told serves; a stranger's key does not.
const [{ Address }] = (await client.send(new sdk.DescribeEndpointsCommand({}))).Endpoints;
const told = new sdk.DynamoDBClient({ endpoint: `http://${Address}` });
const scan = new sdk.ScanCommand({ TableName: book.items, Select: "COUNT", ConsistentRead: true });
assert.equal((await told.send(scan)).Count, 8);
const credentials = { accessKeyId: "AKIASTRANGER", secretAccessKey: "x" };
const stranger = new sdk.DynamoDBClient({ endpoint, credentials });
await assert.rejects(stranger.send(new sdk.ListTablesCommand({})), { name: "UnrecognizedClientException" });
console.log(`${book.calls.length} calls, tour complete`);
