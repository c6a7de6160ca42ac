// EHRs of another make, as far as CDS Hooks needs them: keys and signatures by `jose`, calls by Node's own fetch.
// Prints the public key sets of each shape as a line; reads a line {"calls": [...]}; prints a line with what each call was answered.
import { createInterface } from "node:readline";
import { randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

const SHAPES = {
  sandbox: { alg: "ES384", kid: "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f" },
  epic: { alg: "RS384", kid: "p+7d/0aQk3bZ1w==" },
  oracle: { alg: "ES384", kid: "oracle-2026-03" },
};

const keys = {};
const sets = {};
for (const [shape, { alg, kid }] of Object.entries(SHAPES)) {
  keys[shape] = await generateKeyPair(alg);
  sets[shape] = { keys: [{ ...(await exportJWK(keys[shape].publicKey)), kid, alg, use: "sig" }] };
}
console.log(JSON.stringify(sets));

async function called({ shape, method, url, body, claims, header }) {
  const { alg, kid } = SHAPES[shape];
  const now = Math.floor(Date.now() / 1000);
  const said = { aud: url, iat: now, exp: now + 300, jti: randomUUID(), ...claims };
  if (shape === "epic") said.nbf = now - 300;
  const token = await new SignJWT(said).setProtectedHeader({ alg, kid, typ: "JWT", ...header }).sign(keys[shape].privateKey);
  const response = await fetch(url, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: body === null ? undefined : JSON.stringify(body),
  });
  return { status: response.status, said: await response.json() };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answers = [];
  for (const call of JSON.parse(line).calls) answers.push(await called(call));
  console.log(JSON.stringify(answers));
}
