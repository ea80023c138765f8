// A user's walk through the page /docs/second-factor.
import assert from "node:assert/strict";
import jsQR from "jsqr";
import { authenticatorOf, close, nextCode, open, query, register, settings, step } from "./chromium.mjs";
import { userOf } from "./page_user.mjs";

const email = "walker@example.com";
const password = "a long walk in Chromium";
const url = `${settings.api}/docs/second-factor`;
const makeSessionsOlder = () => query("UPDATE login_sessions SET created_at = created_at - interval '11 minutes'");

/** The text of the QR code as it is drawn, read as a phone reads it. */
async function scanned(page) {
  const image = page.getByRole("img", { name: /^QR code/ });
  const [pixels, size] = await image.evaluate(async (image) => {
    await image.decode();
    const size = image.width;
    const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
    const context = canvas.getContext("2d");
    context.fillStyle = getComputedStyle(image).backgroundColor;
    context.fillRect(0, 0, size, size);
    context.drawImage(image, 0, 0, size, size);
    return [[...context.getImageData(0, 0, size, size).data], size];
  });
  return new URL(jsQR(new Uint8ClampedArray(pixels), size, size).data);
}

try {
  await register(email, password);
  const page = await open(url, { permissions: ["clipboard-read", "clipboard-write"] });
  const user = userOf(page, email, password);
  await step(page, "nobody is logged in");

  await user.sendPassword("a wrong password");
  await user.reads("Incorrect email or password.");
  await step(page, "a wrong password is refused in words");
  await user.sendPassword("x".repeat(129));
  await user.reads("password: String should have at most 128 characters.");
  for (const [status, detail, words] of [
    [404, "Not Found", "Passkeys need PUBLIC_URL."],
    [429, "Too many attempts, try again later", "Too many attempts, try again later (in 7 seconds)."],
  ]) {
    await page.route("**/options", (route) => route.fulfill({ status, json: { detail }, headers: { "Retry-After": "7" } }));
    await user.logInWithPasskey(words);
    await page.unroute("**/options");
  }

  await user.logIn();
  await user.sees("No app is set up.");
  await user.sees("There is none yet.");
  await step(page, "the password alone logs in, and nothing is set up");

  await user.setUpApp();
  const secret = (await page.getByRole("code").textContent()).replaceAll(" ", "");
  const uri = await scanned(page);
  assert.deepEqual([uri.protocol, uri.searchParams.get("secret")], ["otpauth:", secret]);
  assert.ok(decodeURIComponent(uri.pathname).endsWith(`:${email}`));
  await step(page, "a QR code, which a decoder reads, and the same secret for typing");

  await user.confirmApp("000000");
  await user.reads("Invalid code.");
  await user.confirmApp(await nextCode(secret));
  await user.reads("The app is set up.");
  const codes = await user.recoveryCodes();
  assert.equal(new Set(codes).size, 10);
  await user.press("Copy");
  await user.reads("The recovery codes are copied.");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), codes.join("\n"));
  await step(page, "the app's code confirms it, and ten recovery codes are shown and copied");

  await user.logOut();
  const left = await page.content();
  assert.ok(!left.includes(codes[0]) && !left.includes(secret.slice(0, 4)));
  await user.sendPassword();
  await user.sendCode("000000");
  await user.reads("Invalid code.");
  await step(page, "after the password a code is asked for, and a wrong one is refused");
  await user.press("Start again");
  await user.logIn(await nextCode(secret));
  await user.sees("Recovery codes left: 10.");
  await user.logOut();
  await user.logIn(codes[0]);
  await user.sees("Recovery codes left: 9.");
  await step(page, "the app's code logs in, and so does a recovery code");

  await user.logOut();
  await user.sendPassword();
  await user.sendCode(codes[0]);
  await user.reads("Invalid code.");
  await step(page, "but not a second time");
  await user.press("Start again");
  await user.logIn(codes[1].toLowerCase().replaceAll("-", " "));

  await user.changeApp(codes[2], "New recovery codes");
  await user.reads("Here are new recovery codes.");
  await user.sees("Recovery codes left: 10.");
  const newCodes = await user.recoveryCodes();
  assert.equal(new Set([...codes, ...newCodes]).size, 20);
  await step(page, "ten new recovery codes replace the others");

  const laptop = await authenticatorOf(page);
  await user.registerPasskey("My laptop", "The passkey “My laptop” is registered.");
  await user.sees("not used yet");
  await user.registerPasskey("My laptop again", "This device already has a passkey of this account.");
  await step(page, "a passkey is registered, and the same device gets no second one");

  const [onLaptop] = await laptop.credentials();
  await laptop.send("removeVirtualAuthenticator");
  const phone = await authenticatorOf(page);
  makeSessionsOlder();
  await user.registerPasskey("My phone");
  await user.isAskedFor("Code of your app");
  await step(page, "eleven minutes after the login, a code is asked for again");
  await user.press("Cancel");
  await user.reads("Nothing was changed.");
  await user.registerPasskey("My phone");
  await user.proves("Code of your app", newCodes[0]);
  await user.reads("The passkey “My phone” is registered.");
  for (const name of ["phone", "laptop"]) {
    if (name === "laptop") await phone.replaceBy(onLaptop);
    await user.logOut();
    await user.logInWithPasskey();
    await page.getByRole("region", { name: email }).waitFor();
    await user.reads("last used", page.getByRole("listitem").filter({ hasText: `My ${name}` }));
    await step(page, `without a name, the passkey of the ${name} logs in`);
  }

  await user.press("Remove My laptop");
  await user.reads("The passkey “My laptop” is removed.");
  await user.logOut();
  await user.logInWithPasskey("Invalid passkey.");
  await step(page, "a removed passkey is refused");

  await user.logIn(newCodes[1]);
  await user.changeApp(newCodes[2], "Remove the app");
  await user.reads("The app is removed.");
  await user.sees("No app is set up.");
  await step(page, "the app is removed");

  makeSessionsOlder();
  await user.press("Remove My phone");
  await user.isAskedFor("Password");
  await step(page, "without an app, it is the password that is asked for again");
  await user.proves("Password", password);
  await user.reads("The passkey “My phone” is removed.");
  query(`DELETE FROM login_sessions USING users WHERE users.id = user_id AND email = '${email}'`);
  await user.field("Password").fill(password);
  await user.press("Set up an app");
  await user.reads("The login has ended. Log in again.");
  await user.logIn();

  const screen = { viewport: { width: 360, height: 640 }, colorScheme: "dark" };
  const narrow = await open(url.replace("localhost", "127.0.0.1"), screen);
  const visitor = userOf(narrow, email, password);
  await visitor.sees("Passkeys need a host name");
  await visitor.logInWithPasskey("The passkeys of this API belong to another domain");
  await step(narrow, "opened by its IP address on a small, dark screen, the page says where passkeys work");
  await narrow.getByRole("link", { name: url }).click();
  await narrow.waitForURL(url);
  await visitor.logIn();
  await visitor.setUpApp();
  assert.equal((await scanned(narrow)).protocol, "otpauth:");
  assert.ok(await narrow.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await step(narrow, "its link leads there, and nothing is wider than the screen");
} finally {
  await close();
}
