// The lines of docs/second_factor.md and docs/passkeys.md, added to those of docs/browser.md, on a page of a listed origin.
import assert from "node:assert/strict";
import { authenticatorOf, close, nextCode, open, query, register, settings, step } from "./chromium.mjs";

const email = "lines@example.com";
const password = "the lines of a page";

try {
  await register(email, password);
  const page = await open(`${settings.listed}/index.html`);
  const key = await authenticatorOf(page);
  /** Call a function of session.ts: the status, and the content of the response. */
  const call = (name, ...given) =>
    page.evaluate(
      async ([name, given]) => {
        const asked = (proof) => () => Promise.resolve(proof); // what the owner types when the page asks
        if (name === "registerPasskey") given[1] = asked(given[1] ?? null);
        const response = await session[name](...given);
        return [response.status, await response.json().catch(() => null)];
      },
      [name, given],
    );
  const post = async (path, body) => {
    const headers = { "Content-Type": "application/json" };
    const [status, content] = await call("apiFetch", path, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(status, 200);
    return content;
  };
  const isLoggedIn = async () => {
    await page.reload(); // which forgets the access token
    return (await call("apiFetch", "/users/me"))[0] === 200;
  };

  assert.equal((await call("logIn", email, password))[0], 200);
  const [created, passkey] = await call("registerPasskey", "A key");
  assert.deepEqual([created, passkey.name], [201, "A key"]);
  assert.equal((await call("logOut"))[0], 204);
  assert.equal(await isLoggedIn(), false);
  assert.equal((await call("logInWithPasskey"))[0], 200);
  assert.equal(await isLoggedIn(), true);
  await step(page, "a passkey is registered, and logs in");

  const { secret } = await post("/auth/totp");
  await post("/auth/totp/confirm", { code: await nextCode(secret) });
  assert.equal((await call("logOut"))[0], 204);
  const [refused, { error, mfa_token }] = await call("logIn", email, password);
  assert.deepEqual([refused, error], [403, "mfa_required"]);
  assert.equal((await call("sendCode", mfa_token, "000000"))[0], 400);
  assert.equal(await isLoggedIn(), false);
  assert.equal((await call("sendCode", mfa_token, await nextCode(secret)))[0], 200);
  assert.equal(await isLoggedIn(), true);
  await step(page, "a code finishes a login");

  await key.send("clearCredentials"); // a device may have one passkey of an account only
  query("UPDATE login_sessions SET authenticated_at = authenticated_at - interval '11 minutes'");
  const [wanted, content] = await call("registerPasskey", "Another key");
  assert.deepEqual([wanted, content.error], [401, "insufficient_user_authentication"]);
  const [added] = await call("registerPasskey", "Another key", { code: await nextCode(secret) });
  assert.equal(added, 201);
  await step(page, "later, a code says that the owner is there");
} finally {
  await close();
}
