// Evaluates the JSONata expressions of the state machines with the reference implementation, and compares the results
// with the table in table.mjs.
//
//     .venv-sam/bin/node tests/expressions/run.mjs
//
// Step Functions supports version 2.0.6 of JSONata, and tools/npm/package.json pins that version.
// https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
//
// As in Step Functions, an expression reads its data from $states and from variables, and an expression without a
// result is an error. Step Functions stops an expression after a second, so none may need a fifth of that in CPU time.
// The table must have rows for every expression of every definition.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { FAILS, SUBSTITUTIONS, TABLE } from "./table.mjs";

const ROOT = new URL("../../", import.meta.url);
// `make setup` installs the packages there.
const jsonata = createRequire(new URL(".venv-sam/npm/package.json", ROOT))("jsonata");

/** The text of a file, with the substitutions that CloudFormation makes in a definition. */
function read(path) {
  const text = readFileSync(new URL(path, ROOT), "utf8");
  return text.replace(/\$\{(\w+)\}/g, (whole, name) => SUBSTITUTIONS[name] ?? whole);
}

/** Every definition by its name: the files in statemachine/, and the example of a workflow. */
function definitions() {
  const suffix = ".asl.json";
  const files = readdirSync(new URL("statemachine/", ROOT)).filter((file) => file.endsWith(suffix));
  const found = files.map((file) => [file.slice(0, -suffix.length), JSON.parse(read(`statemachine/${file}`))]);
  return Object.fromEntries([...found, ["example", JSON.parse(read("examples/workflow.asl.json"))]]);
}

/** Every state with its name, including the states inside a Map. */
function* states(definition) {
  for (const [name, state] of Object.entries(definition.States)) {
    const { ItemProcessor: inner, ...rest } = state;
    yield [name, rest];
    if (inner) yield* states(inner);
  }
}

/** Every expression in a state, with its path, such as Catch[0].Assign.Pause. */
function* expressions(value, path = "") {
  if (typeof value === "string" && /^\{%.*%\}$/s.test(value)) yield [path, value.slice(2, -2)];
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield* expressions(inner, Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key);
  }
}

/** The result of an expression, or FAILS. */
async function evaluate(expression, { variables, ...states }) {
  try {
    // The middle of the range makes the results predictable.
    const random = () => 0.5;
    const result = await jsonata(expression).evaluate(undefined, { random, ...variables, states });
    return result === undefined ? FAILS : JSON.parse(JSON.stringify(result));
  } catch {
    return FAILS;
  }
}

const LIMIT_MS = 200;
const problems = [];
let expressionCount = 0;
let rowCount = 0;
const machines = definitions();
for (const [machine, definition] of Object.entries(machines)) {
  for (const [name, state] of states(definition)) {
    for (const [path, expression] of expressions(state)) {
      const place = `${machine}, ${name}, ${path}`;
      const rows = TABLE[machine]?.[name]?.[path] ?? [];
      if (!rows.length) problems.push(`${place}: there is no row for it in the table`);
      expressionCount += 1;
      rowCount += rows.length;
      for (const [given, expected] of rows) {
        const begun = process.cpuUsage();
        const actual = await evaluate(expression, structuredClone(given));
        const { user, system } = process.cpuUsage(begun);
        const took = (user + system) / 1000;
        if (took > LIMIT_MS) problems.push(`${place}: took ${Math.round(took)} ms`);
        if (isDeepStrictEqual(actual, expected)) continue;
        const [result, other] = [actual, expected].map((value) => JSON.stringify(value));
        problems.push(`${place}: ${JSON.stringify(given)}\n  results in ${result}\n  instead of ${other}`);
      }
    }
  }
}
for (const [machine, names] of Object.entries(TABLE)) {
  const known = Object.fromEntries(states(machines[machine] ?? { States: {} }));
  for (const [name, paths] of Object.entries(names)) {
    const found = [...expressions(known[name] ?? {})].map(([path]) => path);
    const unknown = Object.keys(paths).filter((path) => !found.includes(path));
    problems.push(...unknown.map((path) => `${machine}, ${name}, ${path}: there is no such expression`));
  }
}
console.log(problems.join("\n") || `expressions: ${expressionCount} expressions, ${rowCount} results as expected`);
process.exitCode = problems.length ? 1 : 0;
