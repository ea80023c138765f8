// A user's walk through the page /docs/second-factor.
import assert from "node:assert/strict";
import jsQR from "jsqr";
import { authenticatorOf, browser, complaints, nextCode, open, query, register, settings, step } from "./chromium.mjs";

const email = "walker@example.com";
const password = "a long walk in Chromium";
const url = `${settings.api}/docs/second-factor`;

/** What a user sees and does, by labels and names. */
function userOf(page) {
  const section = (name) => page.getByRole("region", { name });
  const user = {
    press: (name, within = page) => within.getByRole("button", { name, exact: true }).click(),
    reads: async (words, within = page.getByRole("status")) => within.filter({ hasText: words }).waitFor(),
    sees: async (words) => page.getByText(words).filter({ visible: true }).first().waitFor(),
    section,
    logOut: async () => {
      await user.press("Log out");
      await user.reads("You are logged out.");
    },
    sendPassword: async (word = password) => {
      await page.getByLabel("E-mail").fill(email);
      await section("Log in").getByLabel("Password").fill(word);
      await user.press("Log in");
    },
    sendCode: async (code) => {
      await section("Log in").getByLabel("Code of your app, or a recovery code").fill(code);
      await user.press("Send the code");
    },
    changeApp: async (code, button) => {
      await section("Authenticator app").getByLabel("Password").fill(password);
      await section("Authenticator app").getByLabel("Code of your app, or a recovery code").fill(code);
      await user.press(button);
    },
    recoveryCodes: () => page.getByRole("group", { name: "Recovery codes" }).getByRole("listitem").allTextContents(),
    registerPasskey: async (name) => {
      await page.getByLabel("Name of the new passkey").fill(name);
      await user.press("Register a passkey");
    },
    prove: async (label, value) => {
      await page.getByRole("dialog").getByLabel(label).fill(value);
      await user.press("Go on");
    },
  };
  return user;
}

/** The text in a picture of the QR code, as a phone would read it. */
async function scanned(page) {
  const image = page.getByRole("img", { name: /^QR code/ });
  await image.waitFor();
  const { data, width, height } = await image.evaluate(async (image) => {
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width + 40, height: image.width + 40 });
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 20, 20, image.width, image.width);
    return { ...{ width: canvas.width, height: canvas.height }, data: [...context.getImageData(0, 0, canvas.width, canvas.height).data] };
  });
  return jsQR(new Uint8ClampedArray(data), width, height).data;
}

try {
  await register(email, password);
  const page = await open(url, { permissions: ["clipboard-read", "clipboard-write"] });
  const user = userOf(page);
  await step(page, "nobody is logged in");

  await user.sendPassword("a wrong password");
  await user.reads("Incorrect email or password.");
  await step(page, "a wrong password is refused in words");

  await user.sendPassword();
  await user.reads("You are logged in.");
  await user.sees("No app is set up.");
  await user.sees("There is none yet.");
  await step(page, "the password alone logs in, and nothing is set up");

  await user.section("Authenticator app").getByLabel("Password").fill(password);
  await user.press("Set up an app");
  const secret = (await page.locator("#secret").filter({ hasText: /\w/ }).textContent()).replaceAll(" ", "");
  const uri = new URL(await scanned(page));
  assert.deepEqual([uri.protocol, uri.searchParams.get("secret")], ["otpauth:", secret]);
  assert.match(decodeURIComponent(uri.pathname), new RegExp(`:${email}$`));
  await step(page, "a QR code, which a decoder reads, and the same secret for typing");

  await page.getByLabel("Code that the app shows").fill("000000");
  await user.press("Confirm");
  await user.reads("Invalid code.");
  await page.getByLabel("Code that the app shows").fill(await nextCode(secret));
  await user.press("Confirm");
  await user.reads("The app is set up.");
  const codes = await user.recoveryCodes();
  assert.equal(new Set(codes).size, 10);
  await user.press("Copy");
  await user.reads("The recovery codes are copied.");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), codes.join("\n"));
  await step(page, "the app's code confirms it, and ten recovery codes are shown and copied");

  await user.logOut();
  assert.ok(!(await page.content()).includes(codes[0]));
  await user.sendPassword();
  await user.reads("The password is right. Now enter a code.");
  await user.sendCode("000000");
  await user.reads("Invalid code.");
  await step(page, "after the password a code is asked for, and a wrong one is refused");

  await user.sendCode(await nextCode(secret));
  await user.reads("You are logged in.");
  await user.sees("Recovery codes left: 10.");
  await user.logOut();
  await user.sendPassword();
  await user.reads("Now enter a code.");
  await user.sendCode(codes[0]);
  await user.reads("You are logged in.");
  await user.sees("Recovery codes left: 9.");
  await step(page, "the app's code logs in, and so does a recovery code");

  await user.logOut();
  await user.sendPassword();
  await user.reads("Now enter a code.");
  await user.sendCode(codes[0]);
  await user.reads("Invalid code.");
  await step(page, "but not a second time");
  await user.sendCode(codes[1].toLowerCase().replaceAll("-", " "));
  await user.reads("You are logged in.");

  await user.changeApp(codes[2], "New recovery codes");
  await user.reads("Here are new recovery codes.");
  await user.sees("Recovery codes left: 10.");
  const newCodes = await user.recoveryCodes();
  assert.equal(new Set([...codes, ...newCodes]).size, 20);
  await step(page, "ten new recovery codes replace the others");

  const laptop = await authenticatorOf(page);
  await user.registerPasskey("My laptop");
  await user.reads("The passkey “My laptop” is registered.");
  await user.sees("not used yet");
  await user.registerPasskey("My laptop again");
  await user.reads("This device has a passkey of this account already.");
  await step(page, "a passkey is registered, and the same device offers no second one");

  const [onLaptop] = await laptop.credentials();
  await laptop.send("removeVirtualAuthenticator");
  const phone = await authenticatorOf(page);
  query("UPDATE login_sessions SET created_at = created_at - interval '11 minutes'");
  await user.registerPasskey("My phone");
  await page.getByRole("dialog").waitFor();
  await step(page, "eleven minutes after the login, a code is asked for again");
  await user.press("Cancel");
  await user.reads("Nothing was changed.");
  await user.registerPasskey("My phone");
  await user.prove("Code of your app", newCodes[0]);
  await user.reads("The passkey “My phone” is registered.");
  await user.logOut();
  for (const name of ["phone", "laptop"]) {
    if (name === "laptop") await phone.replace({ ...(await phone.credentials())[0], ...onLaptop });
    await user.press("Log in with a passkey");
    await user.reads("You are logged in.");
    await user.section(email).waitFor();
    const row = page.getByRole("listitem").filter({ hasText: `My ${name}` });
    await user.reads("last used", row);
    await step(page, `without a name, the passkey of the ${name} logs in`);
    if (name === "phone") await user.logOut();
  }

  await user.press("Remove My laptop");
  await user.reads("The passkey “My laptop” is removed.");
  await user.logOut();
  await user.press("Log in with a passkey");
  await user.reads("Invalid passkey.");
  await step(page, "a removed passkey is refused");

  await user.sendPassword();
  await user.reads("Now enter a code.");
  await user.sendCode(newCodes[1]);
  await user.reads("You are logged in.");
  await user.changeApp(newCodes[2], "Remove the app");
  await user.reads("The app is removed.");
  await user.sees("No app is set up.");
  await step(page, "the app is removed");

  query("UPDATE login_sessions SET created_at = created_at - interval '11 minutes'");
  await user.press("Remove My phone");
  await page.getByRole("dialog").waitFor();
  await step(page, "without an app, it is the password that is asked for again");
  await user.prove("Password", password);
  await user.reads("The passkey “My phone” is removed.");
  await user.logOut();
  await user.sendPassword();
  await user.reads("You are logged in.");

  const small = { viewport: { width: 360, height: 640 }, colorScheme: "dark" };
  const narrow = await open(url.replace("localhost", "127.0.0.1"), small);
  await userOf(narrow).sees("Passkeys need a host name");
  await userOf(narrow).press("Log in with a passkey");
  await userOf(narrow).reads("Passkeys of this API belong to another address");
  await step(narrow, "opened by its IP address on a small, dark screen, the page says where passkeys work");
  await narrow.getByRole("link").click();
  await narrow.waitForURL(url);
  await userOf(narrow).sendPassword();
  await userOf(narrow).reads("You are logged in.");
  await narrow.getByLabel("Password").first().fill(password);
  await userOf(narrow).press("Set up an app");
  await scanned(narrow);
  assert.ok(await narrow.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await step(narrow, "its link leads there, and nothing is wider than the screen");

  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
