// Runs one scenario against one base URL and prints what happened, one JSON object a line.
//
//   node scenarios/NAME.mjs BASE_URL MAIL_DIR
//
// Out: {"step": {name, expected, ok, value | error}} for every step, {"ask": ACTION} to have the server side do
// something (the answer is one line on stdin), at last {"done": true}.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { EventSource } from "eventsource";
import PocketBase, { ClientResponseError } from "pocketbase";

globalThis.EventSource = EventSource; // Node 20 has none; the SDK's README says to bring one

const [baseUrl, mailDir] = process.argv.slice(2);
export const PASSWORD = "correct-horse-1"; // of every seeded account

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

/** A fresh SDK client, as an app makes it. */
export function client() {
  return new PocketBase(baseUrl).autoCancellation(false);
}

/** A client signed in as a user of the seed ("ada", "ben", "cleo", "dan"). */
export async function signedIn(name) {
  const pb = client();
  await pb.collection("users").authWithPassword(`${name}@example.com`, PASSWORD);
  return pb;
}

/** A client signed in as the superuser. */
export async function superuser() {
  const pb = client();
  await pb.collection("_superusers").authWithPassword("admin@example.com", PASSWORD);
  return pb;
}

/** Does `action` and prints its value; it must succeed. Returns the value. */
export function step(name, action) {
  return attempt(name, "ok", action);
}

/** Does `action`, which must fail with `status` (0: aborted, never answered). Returns the error. */
export function refused(name, status, action) {
  return attempt(name, status, action);
}

async function attempt(name, expected, action) {
  try {
    const value = await action();
    print({ step: { name, expected, ok: true, value } });
    return value;
  } catch (error) {
    if (!(error instanceof ClientResponseError)) throw error;
    const { status, response, isAbort } = error;
    print({ step: { name, expected, ok: false, error: { status, response, isAbort } } });
    return error;
  }
}

/** Has the test runner do something to the servers, and waits until it is done. */
export async function ask(action) {
  print({ ask: action });
  await answers.next();
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const read = new Set();

/** The next mail to this address not yet read. */
export async function mailTo(address) {
  for (let waited = 0; waited < 10_000; waited += 25) {
    for (const name of readdirSync(mailDir).sort()) {
      if (!name.endsWith(".json") || read.has(name)) continue;
      const mail = JSON.parse(readFileSync(join(mailDir, name), "utf8"));
      if (mail.to.includes(address)) {
        read.add(name);
        return mail;
      }
    }
    await sleep(25);
  }
  throw new Error(`no mail to ${address}`);
}

/** How many mails have arrived so far. */
export function mailCount() {
  return readdirSync(mailDir).filter((name) => name.endsWith(".json")).length;
}

/** The token in the link of a mail. */
export function tokenIn(mail) {
  return mail.html.match(/\/_\/#\/auth\/[a-z-]+\/([\w.-]+)/)[1];
}

/** What a download looked like: status, headers that matter, and the bytes' digest. */
export async function download(url, options) {
  const response = await fetch(url, options);
  const bytes = Buffer.from(await response.arrayBuffer());
  const names = ["content-type", "content-length", "cache-control", "content-disposition", "content-range",
    "content-security-policy", "last-modified", "accept-ranges", "etag", "content-encoding", "location"];
  const headers = Object.fromEntries(names.map((name) => [name, response.headers.get(name)]));
  return { status: response.status, headers, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Collects events of subscriptions and waits for them. */
export class Events {
  #seen = [];

  /** A callback for `subscribe`; `label` tells apart several subscriptions. */
  as(label) {
    return (event) => this.#seen.push({ label, ...event });
  }

  /** Waits for `count` events, gives a late extra one a chance to show up, and returns all, sorted. */
  async take(count, grace = 60) {
    for (let waited = 0; this.#seen.length < count && waited < 8_000; waited += 10) await sleep(10);
    await sleep(grace);
    const taken = this.#seen;
    this.#seen = [];
    const key = (event) => `${event.label} ${event.action} ${event.record?.id}`;
    return taken.sort((a, b) => (key(a) < key(b) ? -1 : 1)); // events of one write come in any order
  }
}

/** Runs the scenario. */
export async function scenario(run) {
  await run();
  print({ done: true });
  process.exit(0); // open streams and idle connections would keep Node alive
}

export { ClientResponseError, PocketBase, baseUrl, sleep };
