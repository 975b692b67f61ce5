// The same for JavaScript's signers. The first argument is the folder that has them.
import http from "node:http";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(process.argv[2]);
const aws4 = require("aws4");
const { AwsClient } = require("aws4fetch");
const { HttpRequest } = require("@smithy/protocol-http");
const { SignatureV4 } = require("@smithy/signature-v4");
const { Sha256 } = require("@aws-crypto/sha256-js");

const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION } = process.env;
const credentials = {
  accessKeyId: AWS_ACCESS_KEY_ID,
  secretAccessKey: AWS_SECRET_ACCESS_KEY,
  sessionToken: AWS_SESSION_TOKEN,
};
const service = "execute-api";
const region = AWS_REGION;

const signers = {
  aws4: (url) => {
    const [, host, path] = /^http:\/\/([^/]+)(.*)$/.exec(url);
    const [hostname, port] = host.split(":");
    const signed = aws4.sign({ host, path, service, region }, credentials);
    return new Promise((resolve, reject) => {
      const request = http.get({ ...signed, host: undefined, hostname, port }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      request.on("error", reject);
    });
  },
  aws4fetch: async (url) => {
    const client = new AwsClient({ ...credentials, service, region, retries: 0 });
    return (await client.fetch(url)).status;
  },
  "@smithy/signature-v4": async (url) => {
    const { protocol, hostname, port, host, pathname, searchParams } = new URL(url);
    const query = {};
    for (const name of searchParams.keys()) query[name] = searchParams.getAll(name);
    const signer = new SignatureV4({ credentials, region, service, sha256: Sha256 });
    const request = new HttpRequest({ protocol, hostname, port, path: pathname, query, headers: { host } });
    const { headers } = await signer.sign(request);
    const written = Object.entries(query).flatMap(([name, values]) => values.map((value) => `${name}=${encodeURIComponent(value)}`));
    return (await fetch(`${protocol}//${host}${pathname}?${written.join("&")}`, { headers })).status;
  },
};

const statuses = [];
for (const [name, url] of JSON.parse(await text(process.stdin))) {
  try {
    statuses.push(await signers[name](url));
  } catch (error) {
    console.error(name, url, error);
    statuses.push(0);
  }
}
console.log(JSON.stringify(statuses));
