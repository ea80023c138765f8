// From the registration to the deletion, by keyboard only: with Tab, Enter and what is typed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { authenticatorOf, close, nextCode, open } from "./chromium.mjs";
import { PAGES, PASSWORD, arrive, growOld, nothingIsStored, recoveryCodesOf, scanned, secretOf } from "./pages.mjs";

const email = "keyboard@example.com";

try {
  const page = await open(`${PAGES}/register`);

  /** The accessible name of what has the focus, more or less. */
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      return (element.labels?.[0]?.innerText ?? element.ariaLabel ?? element.innerText).trim();
    });
  /** Press Tab until this has the focus. */
  async function reach(name) {
    const seen = [];
    while (seen.length < 60) {
      await page.keyboard.press("Tab");
      seen.push(await focused());
      if (seen.at(-1) === name) return;
    }
    throw new Error(`Tab doesn't reach ${name}, only ${seen.join(", ")}`);
  }
  async function type(name, text) {
    if ((await focused()) !== name) await reach(name);
    await page.keyboard.type(text);
  }
  async function press(name) {
    if ((await focused()) !== name) await reach(name);
    await page.keyboard.press("Enter");
  }
  const said = (text) => page.getByText(text).filter({ visible: true }).first().waitFor();
  /** Something has taken the focus along: not to the top of the page, from where everything would have to be heard. */
  const focusIsAt = (text) => page.waitForFunction((text) => document.activeElement.innerText?.startsWith(text), text);

  await type("Email address", email);
  await type("Password", "short");
  await page.keyboard.press("Enter");
  await focusIsAt("Choose a password");
  await press("Choose a password of at least 8 characters."); // the link to the field
  await page.keyboard.press("Control+A");
  await type("Password", PASSWORD);
  await press("Create an account");
  await arrive(page);

  await press("Change the password");
  await type("Your password now", PASSWORD);
  await type("New password", `${PASSWORD}!`);
  await page.keyboard.press("Enter");
  await said("Your password is changed");

  await press("Set up an app");
  await focusIsAt("1. Scan this");
  const secret = await secretOf(page);
  const uri = new URL(await scanned(page, "#qr-code"));
  assert.equal(uri.searchParams.get("secret"), secret);
  assert.ok(decodeURIComponent(uri.pathname).endsWith(email));
  await type("Code", await nextCode(secret));
  await page.keyboard.press("Enter");
  await focusIsAt("Keep your recovery codes");
  const codes = await recoveryCodesOf(page);
  const [first, second, third] = codes;
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await press("Copy");
  await said("Copied.");
  assert.deepEqual((await page.evaluate(() => navigator.clipboard.readText())).split("\n"), codes);
  const download = page.waitForEvent("download");
  await press("Save as a file");
  assert.deepEqual(
    readFileSync(await (await download).path(), "utf8")
      .trim()
      .split("\n"),
    codes,
  );
  await page.emulateMedia({ media: "print" });
  const printed = (await page.locator("body").innerText()).trim();
  assert.ok(printed.startsWith("Authenticator app") && printed.endsWith(codes.at(-1)), printed);
  await page.emulateMedia({ media: null });
  await press("I have kept them");
  await focusIsAt("Authenticator app");

  await authenticatorOf(page);
  await press("Add a passkey");
  await type("A name for the new passkey", "Phone");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape"); // and once more
  await press("Save the passkey");
  await page.getByRole("dialog").waitFor();
  await type("Code", first);
  await page.keyboard.press("Enter");
  await said("The passkey “Phone” is added.");

  const passkey = page.waitForRequest((request) => request.url().endsWith("/auth/browser/passkeys/login"));
  await press("Log out");
  await passkey; // a virtual authenticator takes at once what the browser offers beside the passwords
  await page.waitForURL(PAGES);
  await arrive(page);
  await page.addInitScript(() => (PublicKeyCredential.isConditionalMediationAvailable = async () => false));
  await press("Log out");
  await said("You are logged out.");
  await press("Log in with a passkey");
  await arrive(page);

  growOld(email);
  await press("Change the address");
  await type("New email address", "keyboard-2@example.com");
  await type("Your password", `${PASSWORD}!`);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await type("Code", second);
  await page.keyboard.press("Enter");
  await said("and it becomes your address");

  page.once("dialog", (dialog) => dialog.accept());
  await press("Remove Phone");
  await focusIsAt("Passkeys");

  await press("Log out");
  await said("You are logged out.");
  await type("Email address", email);
  await type("Password", `${PASSWORD}!`);
  await page.keyboard.press("Enter");
  await said("Enter a code");
  await press("I don’t have my app");
  await type("Recovery code", third);
  await page.keyboard.press("Enter");
  await arrive(page);
  await said("7 recovery codes left");

  await press("Delete the account");
  await type("To confirm, enter your email address", email);
  await page.keyboard.press("Enter");
  await said("Your account and everything that belonged to it are deleted.");
  await page.waitForLoadState("networkidle"); // the login page finds out that the cookie is good for nothing
  assert.deepEqual(await page.context().cookies(`${PAGES}/../auth/browser`), []);
  await nothingIsStored(page);
  console.log("from the registration to the deletion by keyboard");
} finally {
  await close();
}
