// Holds what parallax found to expected.txt, which README.md explains: the counts of every operation,
// and every difference with its place, kind and number. The counts are held to the law of
// conservation as well. What it found in a recording is held to the same file.
// Usage: node verify.mjs CONTROL_URL [--update], or node verify.mjs RESULT_OF_CHECK.json

import { readFileSync, writeFileSync } from 'node:fs';

const [control, update] = process.argv.slice(2);
const file = new URL('expected.txt', import.meta.url);
const recorded = control.startsWith('http') ? undefined : JSON.parse(readFileSync(control, 'utf8'));
const ask = async (path) => (await fetch(`${control}/api/v1${path}`)).json();
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
const tell = (counts) => Object.entries(counts).map(([reason, count]) => `, ${count} ${reason}`).join('');
const wrong = [];
const found = [];

for (const { id, counts, differences } of recorded?.operations ?? await ask('/operations')) {
  const { requests, matched, unmatched, failed, skipped, in_flight = 0 } = counts;
  if (requests !== matched + unmatched + sum(failed) + sum(skipped) + in_flight) {
    wrong.push(`${id} does not add up: ${JSON.stringify(counts)}`);
  }
  found.push(`${id}: ${requests} requests, ${matched} matched, ${unmatched} unmatched${tell(failed)}${tell(skipped)}`);
  const signatures = differences?.map(({ signature, count }) => ({ ...signature, count }))
    ?? await ask(`/operations/${encodeURIComponent(id)}/signatures`);
  const lines = signatures.map(({ path, kind, legacy_type, candidate_type, count }) =>
    `  ${path} ${kind} (${legacy_type ?? 'nothing'}, ${candidate_type ?? 'nothing'}) x ${count}`);
  found.push(...lines.sort());
}

if (update === '--update') writeFileSync(file, `${found.join('\n')}\n`);
const expected = readFileSync(file, 'utf8').trimEnd().split('\n');
const named = (lines) => {
  let operation;
  return lines.map((line) => line.startsWith(' ') ? `${operation}${line}` : (operation = line.split(':')[0], line));
};
const [have, want] = [named(found), named(expected)];
wrong.push(...want.filter((line) => !have.includes(line)).map((line) => `not found:    ${line}`));
wrong.push(...have.filter((line) => !want.includes(line)).map((line) => `not expected: ${line}`));
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
const differences = found.filter((line) => line.startsWith(' ')).length;
console.log(`as expected: ${differences} kinds of difference in ${found.length - differences} operations`);
