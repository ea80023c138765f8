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
  const home = await open("https://api.test/docs/second-factor");
  const phone = await authenticatorOf(home);
  const user = userOf(home, email, password);
  await user.logIn();
  await user.registerPasskey("My phone", "is registered");
  const [credential] = await phone.credentials();
  assert.equal(credential.rpId, "api.test");
  for (const [host, words] of [
    ["app.example", "You are logged in."],
    ["evil.example", "The passkeys of this API belong to another domain"],
  ]) {
    const page = await open(`https://${host}/docs/second-factor`);
    await (await authenticatorOf(page)).send("addCredential", { credential });
    await userOf(page, email, password).logInWithPasskey(words);
    await step(page, `with a passkey of api.test at https://${host}: ${words}`);
  }
} finally {
  await close();
  proxy.close();
}
