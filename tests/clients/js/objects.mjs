// Drives the emulator with the AWS SDK for JavaScript; prints one JSON object
// of results, which test_js.py judges.
//   node objects.mjs ENDPOINT BUCKET [ACCESS_POINT_ARN]
// Keys and region come from the environment. Modules are looked up as require()
// does, so that NODE_PATH counts.
import { createRequire } from "node:module";
import { createHash } from "node:crypto";

const require = createRequire(import.meta.url);
const s3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");

const [endpoint, bucket, accessPoint] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, forcePathStyle: true, maxAttempts: 1 });
const results = {};

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const send = (Command, input, from = client) => from.send(new Command({ Bucket: bucket, ...input }));
const failure = (promise) => promise.then(() => "no error", (e) => e.name);
const read = async (input, from = client) =>
  Buffer.from(await (await send(s3.GetObjectCommand, input, from)).Body.transformToByteArray());

async function objects() {
  const body = Buffer.from("bytes of JavaScript\n".repeat(500));
  const key = "js/a b+ü!'()*.txt";
  await send(s3.PutObjectCommand, { Key: key, Body: body, Metadata: { m: "1" } });
  const head = await send(s3.HeadObjectCommand, { Key: key });
  results.metadata = head.Metadata;
  results.same = sha256(await read({ Key: key })) === sha256(body);
  results.range = (await read({ Key: key, Range: "bytes=6-7" })).toString();
  results.missing = await failure(read({ Key: "no" }));
  results.condition = await failure(
    send(s3.PutObjectCommand, { Key: key, Body: body, IfNoneMatch: "*" }));
  for (const algorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
    const name = `Checksum${algorithm}`;
    const told = await send(s3.PutObjectCommand,
      { Key: `sum/${algorithm}`, Body: "123456789", ChecksumAlgorithm: algorithm });
    const got = await send(s3.HeadObjectCommand,
      { Key: `sum/${algorithm}`, ChecksumMode: "ENABLED" });
    results[name] = told[name] === got[name] ? got[name] : "differs";
  }
}

async function streamed() {
  const upload = new Upload({
    client, partSize: 5 << 20,
    params: { Bucket: bucket, Key: "js/stream", Body: Buffer.alloc(11 << 20, "stream") },
  });
  await upload.done();
  const got = await read({ Key: "js/stream" });
  results.streamed = got.length === 11 << 20 && got.subarray(0, 6).toString() === "stream";
  results.parts = (await send(s3.HeadObjectCommand, { Key: "js/stream" })).ETag.endsWith('-3"');
}

async function listing() {
  const keys = [];
  for await (const page of s3.paginateListObjectsV2({ client, pageSize: 3 }, { Bucket: bucket }))
    for (const o of page.Contents ?? []) keys.push(o.Key);
  results.keys = keys;
  const folders = await send(s3.ListObjectsV2Command, { Delimiter: "/" });
  results.folders = folders.CommonPrefixes.map((p) => p.Prefix);
  const first = await send(s3.ListObjectsCommand, { Delimiter: "/", MaxKeys: 1 });
  results.nextMarker = first.NextMarker;
}

async function presigned() {
  const url = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket: bucket, Key: "js/stream" }),
    { expiresIn: 60 });
  const reply = await fetch(url);
  results.presigned = reply.status === 200 && (await reply.arrayBuffer()).byteLength === 11 << 20;
}

async function throughAccessPoint() {
  const direct = new s3.S3Client({ endpoint, maxAttempts: 1 });
  results.accessPoint = (await read({ Bucket: accessPoint, Key: "js/stream", Range: "bytes=0-5" },
    direct)).toString();
  const copied = await send(s3.CopyObjectCommand,
    { Key: "js/copy", CopySource: `${accessPoint}/object/js/stream` });
  results.copied = copied.CopyObjectResult.ETag.length > 30;
}

async function removal() {
  const all = await send(s3.ListObjectsV2Command, {});
  const reply = await send(s3.DeleteObjectsCommand,
    { Delete: { Objects: all.Contents.map((o) => ({ Key: o.Key })) } });
  results.deleted = reply.Deleted.length === all.Contents.length;
}

await objects();
await streamed();
await listing();
await presigned();
if (accessPoint) await throughAccessPoint();
await removal();
results.identity = (await new STSClient({ endpoint }).send(new GetCallerIdentityCommand({}))).Arn;
console.log(JSON.stringify(results));
