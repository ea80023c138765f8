// Passkeys at origins of other sites, which https://api.test names under /.well-known/webauthn.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { createServer } from "node:tls";
import { authenticatorOf, close, open, register, settings, step } from "./chromium.mjs";
import { userOf } from "./page_user.mjs";

const { certificate, tlsPort, apiPort } = settings;
const email = "traveller@example.com";
const password = "passkeys on other sites";

// Ends TLS for all three hosts, which the browser's --host-resolver-rules lead here.
const pem = readFileSync(certificate);
const proxy = createServer({ key: pem, cert: pem }, (browser) => {
  const api = connect(apiPort, "127.0.0.1");
  for (const side of [browser, api]) side.on("error", () => [browser, api].forEach((each) => each.destroy()));
  browser.pipe(api).pipe(browser);
}).listen(tlsPort, "127.0.0.1");

try {
  await register(email, password);
  const home = await open("https://api.test/docs");
  const phone = await authenticatorOf(home);
  assert.equal(await userOf(home, "https://api.test", email, password).registerPasskey("My phone"), 201);
  const [credential] = await phone.credentials();
  assert.equal(credential.rpId, "api.test");
  for (const [host, response] of [
    ["app.example", 200],
    ["evil.example", "SecurityError"], // the browser's own refusal
  ]) {
    const page = await open(`https://${host}/docs`);
    await (await authenticatorOf(page)).send("addCredential", { credential });
    assert.equal(await userOf(page, `https://${host}`, email, password).logInWithPasskey(), response);
    await step(page, `with a passkey of api.test at https://${host}: ${response}`);
  }
} finally {
  await close();
  proxy.close();
}
