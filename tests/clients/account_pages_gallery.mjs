// Every account page, as people with a phone or a large screen see it, by day and by night; axe-core looks at each.
import assert from "node:assert/strict";
import { authenticatorOf, close, nextCode, open, settings } from "./chromium.mjs";
import {
  PAGES,
  PASSWORD,
  arrive,
  audit,
  growOld,
  logIn,
  mailedLink,
  register,
  secretOf,
  submit,
  summary,
} from "./pages.mjs";

const email = "ana@example.com";

/** Pictures of the page, at both widths, by day and by night. */
async function look(page, name) {
  for (const [width, colorScheme] of [
    [360, "light"],
    [360, "dark"],
    [1280, "dark"],
    [1280, "light"],
  ]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(excess <= 0, `${name} is ${excess} px too wide at ${width} px`);
    if ((width === 360) === (colorScheme === "dark")) await audit(page, `${name}, ${colorScheme}`);
    const path = `${settings.screenshots}/${name}-${width}-${colorScheme}.png`;
    // A dialog is in the top layer: a picture of the whole page would cut it.
    await page.screenshot({ path, fullPage: !(await page.locator("dialog[open]").count()) });
  }
  console.log(name);
}

try {
  let page = await open(`${PAGES}/register`);
  await look(page, "register");
  await submit(page, { "Email address": "ana", Password: "short" }, "Create an account");
  await summary(page);
  await look(page, "register-refused");
  await register(page, email);
  await page.getByText("You haven’t confirmed this address yet").waitFor();
  await look(page, "account");

  growOld(email);
  await page.getByRole("button", { name: "Set up an app" }).click();
  await page.getByRole("dialog").waitFor();
  await look(page, "reauthenticate");
  await submit(page.getByRole("dialog"), { "Your password": PASSWORD }, "Go on");
  await page.getByRole("img", { name: "A QR code" }).waitFor();
  await look(page, "second-factor-set-up");
  const secret = await secretOf(page);
  await submit(page.locator("#app-confirm"), { Code: await nextCode(secret) }, "Turn it on");
  await page.getByRole("heading", { name: "Keep your recovery codes" }).waitFor();
  await look(page, "recovery-codes");
  await page.getByRole("button", { name: "I have kept them" }).click();

  await authenticatorOf(page);
  await page.getByText("Add a passkey").click();
  await submit(page, { "A name for the new passkey": "Phone" }, "Save the passkey");
  await page.getByRole("dialog").waitFor();
  await submit(page.getByRole("dialog"), { Code: await nextCode(secret) }, "Go on");
  await page.getByText("The passkey “Phone” is added.").waitFor();
  await page.getByText("Change the address").click();
  await look(page, "account-with-everything");
  growOld(email);
  await page.getByRole("button", { name: "Remove Phone" }).waitFor();
  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Remove Phone" }).click();
  await page.getByRole("dialog").waitFor();
  await look(page, "reauthenticate-by-code");
  await page.keyboard.press("Escape");

  await page.goto(await mailedLink(email, "verify-email"));
  await look(page, "verify-email");
  await page.getByRole("button", { name: "Confirm the address" }).click();
  await page.getByRole("heading", { name: "Your address is confirmed" }).waitFor();
  await look(page, "verified");

  page = await open(`${PAGES}/login`); // without the passkey, which a virtual authenticator uses before anybody clicks
  await page.waitForLoadState("networkidle");
  const weight = await page.evaluate(() => {
    const loaded = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
    return loaded.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0);
  });
  assert.ok(weight <= 60_000, `the login page weighs ${weight} bytes`);
  await look(page, "login");
  await logIn(page, email, "wrong");
  await summary(page);
  await look(page, "login-refused");
  await logIn(page, email);
  await page.getByRole("heading", { name: "Enter a code" }).waitFor();
  await look(page, "login-code");
  await page.getByRole("button", { name: "I don’t have my app" }).click();
  await look(page, "login-recovery-code");

  await page.goto(`${PAGES}/forgot-password`);
  await look(page, "forgot-password");
  await submit(page, { "Email address": email }, "Send the email");
  await page.getByRole("heading", { name: "Look into your emails" }).waitFor();
  await look(page, "email-sent");
  await page.goto(await mailedLink(email, "recover-password"));
  await look(page, "recover-password");
  await page.reload();
  await look(page, "recover-password-without-link");
} finally {
  await close();
}
