// Directory buckets and Object Lambda with the AWS SDK for JavaScript; prints one
// JSON object of results, which test_targets.py judges.
//   node targets.mjs ENDPOINT DIRECTORY_BUCKET OBJECT_LAMBDA_ARN
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const s3 = require("@aws-sdk/client-s3");

const [endpoint, directory, lambda] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, maxAttempts: 1, useArnRegion: true });
const results = {};

const read = async (Bucket, Key) =>
  (await client.send(new s3.GetObjectCommand({ Bucket, Key }))).Body.transformToString();

const Body = "bytes of JavaScript";
await client.send(new s3.PutObjectCommand({ Bucket: directory, Key: "js/x", Body }));
results.read = await read(directory, "js/x");
const page = await client.send(new s3.ListObjectsV2Command({ Bucket: directory, Prefix: "js/" }));
results.keys = page.Contents.map((o) => o.Key);
results.badPrefix = await client
  .send(new s3.ListObjectsV2Command({ Bucket: directory, Prefix: "js" }))
  .then(() => "no error", (e) => e.name);
await client.send(new s3.DeleteObjectCommand({ Bucket: directory, Key: "js/x" }));
await client.send(new s3.PutObjectCommand({ Bucket: "data-bucket", Key: "js", Body }));
results.upper = await read(lambda, "js");
console.log(JSON.stringify(results));
