// What the pages say wherever the API, the browser or its user refuses something.
import assert from "node:assert/strict";
import { authenticatorOf, close, nextCode, open, query, settings } from "./chromium.mjs";
import {
  PAGES,
  PASSWORD,
  arrive,
  growOld,
  logIn,
  mailedLink,
  recoveryCodesOf,
  refused,
  register,
  secretOf,
  submit,
} from "./pages.mjs";

const email = "ben@example.com";
const WRONG_CODE = "This code isn’t right";

try {
  const page = await open(`${PAGES}/register`);
  const dialog = page.getByRole("dialog");
  const section = (name) => page.getByRole("region", { name });
  const signUp = (address, password) =>
    submit(page, { "Email address": address, Password: password }, "Create an account");
  const says = (text) => page.getByText(text).filter({ visible: true }).first().waitFor();
  const accepting = () => page.once("dialog", (question) => question.accept());

  await signUp("", "");
  await refused(page, "Enter your email address.", "Email address");
  await signUp(email, "password1");
  await refused(page, "This is one of the most common passwords", "Password");
  await signUp(email, email);
  await refused(page, "Your password can’t be your email address.", "Password");
  await signUp("ben@example", PASSWORD); // good enough for the browser
  await refused(page, "Enter an email address like", "Email address");
  await signUp(settings.username, PASSWORD);
  await refused(page, "This email address can’t be used.", "Email address");
  console.log("a registration is refused");

  await register(page, email);
  await page.getByText("Change the password").click();
  const change = (current, next) =>
    submit(page, { "Your password now": current, "New password": next }, "Save the new password");
  await change("wrong password", PASSWORD);
  await refused(page, "That isn’t your password.", "Your password now");
  await change(PASSWORD, "password1");
  await refused(page, "This is one of the most common passwords", "New password");
  await page.getByText("Change the address").click();
  const move = (password) =>
    submit(
      section("Email address"),
      { "New email address": "b@example.com", "Your password": password },
      "Save the new address",
    );
  await move("wrong password");
  await refused(page, "That isn’t your password.", "Your password");
  await page.getByText("Delete the account").last().click();
  await submit(page, { "To confirm, enter your email address": "x@example.com" }, "Delete it for ever");
  await refused(page, "This isn’t your account’s email address.", "To confirm, enter your email address");
  console.log("changes of an account are refused");

  await page.getByRole("button", { name: "Set up an app" }).click();
  const secret = await secretOf(page);
  const confirm = (code) => submit(page.locator("#app-confirm"), { Code: code }, "Turn it on");
  await confirm("12");
  await refused(page, "A code of the app has six digits.", "Code");
  await confirm("000 000");
  await refused(page, WRONG_CODE, "Code");
  const elsewhere = await open(`${PAGES}/login`); // the same account in another browser
  await logIn(elsewhere, email);
  await arrive(elsewhere);
  await confirm(await nextCode(secret));
  const codes = await recoveryCodesOf(page);
  await page.getByRole("button", { name: "I have kept them" }).click();
  await elsewhere.getByRole("button", { name: "Set up an app" }).click();
  await submit(elsewhere.getByRole("dialog"), { Code: "000000" }, "Go on");
  await refused(elsewhere, WRONG_CODE, "Code");
  await submit(elsewhere.getByRole("dialog"), { Code: codes.pop() }, "Go on");
  await refused(elsewhere, "An app is set up already. Remove it first.");
  accepting();
  await page.getByRole("button", { name: "Remove the app" }).click();
  await submit(dialog, { Code: codes.pop() }, "Go on");
  await page.getByRole("button", { name: "Set up an app" }).waitFor();
  await elsewhere.reload();
  await page.getByRole("button", { name: "Set up an app" }).click();
  const another = await secretOf(page);
  await confirm(await nextCode(another));
  const [recoveryCode, nextRecoveryCode] = await recoveryCodesOf(page);
  console.log("an authenticator app is refused");

  const stranger = await open(`${PAGES}/login`);
  await logIn(stranger, email, "wrong password");
  await refused(stranger, "The email address or the password is wrong.", "Password");
  await logIn(stranger, email);
  await submit(stranger, { Code: "000000" }, "Log in");
  await refused(stranger, WRONG_CODE, "Code");
  await stranger.getByRole("button", { name: "I don’t have my app" }).click();
  await submit(stranger, { "Recovery code": codes[0] }, "Log in"); // of the app that was removed
  await refused(stranger, WRONG_CODE, "Recovery code");
  await stranger.clock.install();
  await stranger.getByRole("button", { name: "Log in as somebody else" }).click();
  await logIn(stranger, email);
  await stranger.getByRole("heading", { name: "Enter a code" }).waitFor();
  await stranger.clock.fastForward("05:01");
  await submit(stranger, { Code: "000000" }, "Log in");
  await stranger.getByText("That took longer than five minutes. Log in again.").waitFor();
  for (let attempt = 0; attempt < 100; attempt++) {
    const body = new URLSearchParams({ username: email, password: "wrong password" });
    if ((await fetch(`${settings.api}/auth/access-token`, { method: "POST", body })).status === 429) break;
  }
  await logIn(stranger, email);
  await stranger
    .getByText(/^Too many attempts\. Try again in \d+ (seconds?|minutes?)\.$/)
    .first()
    .waitFor();
  query("DELETE FROM rate_limits");
  console.log("a login is refused");

  const key = await authenticatorOf(page);
  const name = "<img src=x onerror=alert(1)> & Key"; // texts are set as text
  const add = () => submit(page, { "A name for the new passkey": name }, "Save the passkey");
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("Add a passkey").click();
  await key.send("setUserVerified", { isUserVerified: false });
  await add();
  await submit(dialog, { Code: recoveryCode }, "Go on");
  await refused(page, "No passkey was used");
  await key.send("setUserVerified", { isUserVerified: true });
  await add();
  await says(`The passkey “${name}” is added.`);
  assert.equal(await page.locator("#passkey-list strong").innerText(), name);
  await add();
  await refused(page, "This device has a passkey of your account already.");
  const mine = `(SELECT id FROM users WHERE email = '${email}')`;
  query(`INSERT INTO passkeys (id, user_id, name, credential_id, public_key, sign_count, created_at)
    SELECT gen_random_uuid(), ${mine}, 'Copy', decode(md5(n::text), 'hex'), '', 0, now() FROM generate_series(1, 19) AS n`);
  await add();
  await refused(page, "You have 20 passkeys, and can’t have more.");
  query(`DELETE FROM passkeys WHERE name = 'Copy'`);

  growOld(email);
  const [credential] = await key.credentials();
  await key.send("clearCredentials");
  const usePasskey = async () => {
    await submit(page, { "A name for the new passkey": "Another key" }, "Save the passkey");
    await dialog.getByRole("button", { name: "Use a passkey" }).click();
  };
  await usePasskey();
  await refused(dialog, "No passkey was used");
  const userHandle = Buffer.from("0123456789abcdef").toString("base64"); // another account's
  await key.send("addCredential", { credential: { ...credential, userHandle } });
  await dialog.getByRole("button", { name: "Use a passkey" }).click();
  await refused(dialog, "That is a passkey of another account.");
  await key.replaceBy(credential);
  await dialog.getByRole("button", { name: "Use a passkey" }).click();
  await refused(page, "This device has a passkey of your account already.");
  await page.reload();
  await page.getByText("This device", { exact: true }).waitFor();
  assert.equal(await page.locator("#session-list li").count(), 2); // the new login, and the one elsewhere: not the former
  query("DELETE FROM passkeys");
  accepting();
  await page.getByRole("button", { name: `Remove ${name}` }).click();
  await refused(page, "That passkey is removed already.");
  await page.getByRole("button", { name: "Log out", exact: true }).first().click();
  await refused(page, "This passkey doesn’t work here"); // the browser offers it at once
  await key.send("removeVirtualAuthenticator");
  console.log("a passkey is refused");

  await logIn(page, email);
  await page.getByRole("button", { name: "I don’t have my app" }).click();
  await submit(page, { "Recovery code": nextRecoveryCode }, "Log in");
  await arrive(page);
  query(
    `DELETE FROM login_sessions WHERE id IN (SELECT id FROM login_sessions WHERE user_id = ${mine} ORDER BY created_at LIMIT 1)`,
  );
  await page.locator("#session-list").getByRole("button", { name: "Log out" }).click();
  await refused(page, "That session is over already.");
  console.log("an end of a session is refused");

  const link = await mailedLink(email, "verify-email");
  for (const isFirst of [true, false]) {
    await page.goto(link);
    await page.waitForURL(`${PAGES}/verify-email`);
    await page.getByRole("button", { name: "Confirm the address" }).click();
    if (isFirst) await says("Your address is confirmed");
    else await refused(page, "This link was used before, or is too old");
  }
  await page.goto(`${PAGES}/forgot-password`);
  await submit(page, { "Email address": "ben" }, "Send the email");
  await refused(page, "Enter an email address like", "Email address");
  await submit(page, { "Email address": email }, "Send the email");
  const recovery = await mailedLink(email, "recover-password");
  await page.goto(recovery);
  await page.waitForURL(`${PAGES}/recover-password`);
  await submit(page, { "New password": "password1" }, "Change the password");
  await refused(page, "This is one of the most common passwords", "New password");
  await submit(page, { "New password": email }, "Change the password");
  await refused(page, "Your password can’t be your email address.", "New password");
  await submit(page, { "New password": `${PASSWORD}!` }, "Change the password");
  await says("Your password is changed. Log in with the new one.");
  await page.goto(recovery);
  await submit(page, { "New password": `${PASSWORD}!` }, "Change the password");
  await refused(page, "This link was used before, or is too old");
  await page.reload();
  await says("Open the link once more");
  console.log("a link is refused");

  await page.goto(`${PAGES}/login`);
  await logIn(page, settings.username, settings.password);
  await arrive(page);
  await page.getByText("Delete the account").last().click();
  await submit(page, { "To confirm, enter your email address": settings.username }, "Delete it for ever");
  await refused(page, "This is the last superuser’s account.");
  console.log("the last superuser's deletion is refused");
} finally {
  await close();
}
