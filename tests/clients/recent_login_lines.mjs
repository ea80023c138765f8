// The lines of docs/browser.md with an API in a few lines: which requests they send when a 401 comes.
import assert from "node:assert/strict";

let sent = [];
let isExpired = true;
let isRecent = false;
const refused = (reason) => new Response("{}", { status: 401, headers: { "WWW-Authenticate": `Bearer error="${reason}"` } });

Object.defineProperty(globalThis, "navigator", { value: { locks: { request: (_, use) => use() } }, configurable: true });
globalThis.fetch = async (url, init = {}) => {
  const path = new URL(url).pathname;
  sent.push(path);
  if (path === "/auth/browser/refresh") {
    isExpired = false;
    return new Response('{"access_token": "a token"}');
  }
  if (isExpired) return refused("invalid_token");
  if (path === "/auth/reauthenticate") {
    isRecent = JSON.parse(await init.body.text()).password === "right";
    return new Response(null, { status: isRecent ? 204 : 400 });
  }
  return path === "/recent" && !isRecent ? refused("insufficient_user_authentication") : new Response("{}");
};
const session = await import("./session.js");

/** The status that `request` leads to, and the paths of the requests on the way. */
const outcome = async (request) => {
  sent = [];
  return [(await request()).status, sent.join(" ")];
};
const recently = (...proofs) => outcome(() => session.apiFetchRecent("/recent", {}, async () => proofs.shift() ?? null));

assert.deepEqual(await outcome(() => session.apiFetch("/any")), [200, "/any /auth/browser/refresh /any"]);
assert.deepEqual(await outcome(() => session.apiFetch("/recent")), [401, "/recent"]);
assert.deepEqual(await recently(), [401, "/recent"]);
const asked = "/recent /auth/reauthenticate /auth/reauthenticate /recent";
assert.deepEqual(await recently({ password: "wrong" }, { password: "right" }), [200, asked]);
assert.deepEqual(await recently(), [200, "/recent"]);
