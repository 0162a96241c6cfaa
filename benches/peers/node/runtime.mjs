// A minimal Lambda runtime for Node: gets events from the Runtime API, calls the handler, and posts the result.
// Usage: node runtime.mjs BUNDLE

import http from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, payload) {
  return new Promise((resolvePromise, reject) => {
    const headers = payload === undefined ? {} : { "Content-Type": "application/json" };
    const options = { agent, host, port, method, headers, path: `/2018-06-01/runtime/${path}` };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolvePromise({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(payload);
  });
}

function errorBody(error) {
  return JSON.stringify({ errorType: error.name, errorMessage: error.message, trace: error.stack?.split("\n") });
}

let handler;
try {
  ({ handler } = await import(pathToFileURL(resolve(process.argv[2]))));
} catch (error) {
  await call("POST", "init/error", errorBody(error));
  throw error;
}
for (;;) {
  const { headers, body } = await call("GET", "invocation/next");
  const invocation = `invocation/${headers["lambda-runtime-aws-request-id"]}`;
  let result;
  try {
    result = ["response", JSON.stringify(await handler(JSON.parse(body)))];
  } catch (error) {
    result = ["error", errorBody(error)];
  }
  await call("POST", `${invocation}/${result[0]}`, result[1]);
}
