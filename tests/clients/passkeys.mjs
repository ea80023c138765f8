// Who may use a passkey, and from where: other origins, copies, browsers that ask for no fingerprint or PIN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { authenticatorOf, close, open, register, settings, step } from "./chromium.mjs";
import { userOf } from "./page_user.mjs";

const { api, elsewhere, listed, logs } = settings;
const email = "keyholder@example.com";
const password = "a passkey in Chromium";
const refusals = () => logs.flatMap((log) => readFileSync(log, "utf8").match(/passkey_refused/g) ?? []).length;

/** Ask for options, use the passkey and send what it returns, to these routes one by one. */
const statuses = (page, routes, changes = {}) =>
  page.evaluate(
    async ([api, routes, changes]) => {
      const options = await (await fetch(`${api}/auth/passkeys/login/options`, { method: "POST" })).json();
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({ ...options, ...changes });
      const body = JSON.stringify(await navigator.credentials.get({ publicKey }));
      const headers = { "Content-Type": "application/json" };
      const statuses = [];
      for (const route of routes) {
        const credentials = route.startsWith("browser") ? "include" : "omit";
        const { status } = await fetch(`${api}/auth/${route}`, { method: "POST", headers, body, credentials });
        statuses.push(status);
        document.body.append(`POST /auth/${route}: ${status} `); // for the picture
      }
      return statuses;
    },
    [api, routes, changes],
  );

try {
  await register(email, password);
  const page = await open(`${api}/docs`);
  const user = userOf(page, api, email, password);
  const key = await authenticatorOf(page);
  assert.equal(await user.registerPasskey("A key"), 201);
  assert.equal(await user.logInWithPasskey(), 200);
  await step(page, "registered, and used at the API's own origin");

  /** Use the same passkey in another page; afterwards it is back, with its counter. */
  async function withKey(other, use) {
    const copy = await authenticatorOf(other);
    const [credential] = await key.credentials();
    await copy.send("addCredential", { credential });
    await use();
    await key.replaceBy((await copy.credentials())[0]);
    await copy.send("removeVirtualAuthenticator");
  }

  const stranger = await open(`${elsewhere}/docs`);
  const visitor = userOf(stranger, elsewhere, email, password);
  await withKey(stranger, async () => assert.equal(await visitor.logInWithPasskey(), 400));
  assert.equal(refusals(), 1);
  await authenticatorOf(stranger);
  assert.equal(await visitor.registerPasskey("At the wrong origin"), 400);
  assert.equal(refusals(), 2);
  await step(stranger, "the same page, at an origin that is not listed, logs nobody in and registers none");

  const neighbour = await open(`${listed}/index.html`);
  await withKey(neighbour, async () => {
    assert.deepEqual(await statuses(neighbour, ["passkeys/login"]), [200]);
    const routes = ["browser/passkeys/login", "browser/refresh", "browser/logout"];
    assert.deepEqual(await statuses(neighbour, routes), [200, 200, 204]);
  });
  await step(neighbour, "a page of a listed origin logs in with it, and by the cookie");

  assert.deepEqual(await statuses(page, ["passkeys/login", "passkeys/login"]), [200, 400]);
  assert.equal(refusals(), 3);
  const [copied] = await key.credentials();
  assert.equal(await user.logInWithPasskey(), 200);
  const [original] = await key.credentials();
  assert.ok(original.signCount > copied.signCount);
  await key.replaceBy({ ...copied, signCount: copied.signCount - 1 });
  assert.equal(await user.logInWithPasskey(), 400); // its counter is behind
  assert.equal(await user.logInWithPasskey(), 400); // its counter is where the original's was
  assert.equal(refusals(), 5);
  await step(page, "a clone, whose counter is behind, is refused and audited; so is a response that comes twice");
  await key.replaceBy(original);
  assert.equal(await user.logInWithPasskey(), 200);

  await key.send("setUserVerified", { isUserVerified: false });
  assert.equal(await user.logInWithPasskey(), "NotAllowedError");
  assert.deepEqual(await statuses(page, ["passkeys/login"], { userVerification: "discouraged" }), [400]);
  assert.equal(refusals(), 6);
  await step(page, "without a fingerprint or PIN the browser refuses, and so does the API if a page asked for none");
} finally {
  await close();
}
