// Starts dynalite, a DynamoDB implementation in JavaScript, for a test, and ends with the test.
//
//     .venv-sam/bin/node tools/npm/dynalite.mjs
//
// It works like tools/emulator.py: it prints one line of JSON, {"url": "http://127.0.0.1:PORT"}, as soon as it accepts
// connections, and runs until stdin ends. Tables live in memory and are ACTIVE at once. Any credentials are accepted.
//
// dynalite's own command cannot do this: it reads `--port 0` as its default port.

import { createRequire } from "node:module";

// `make setup` installs the packages there.
const require = createRequire(new URL("../../.venv-sam/npm/package.json", import.meta.url));
const dynalite = require("dynalite");

const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }));
});
process.stdin.resume().on("end", () => process.exit());
