// What the scripts share that drive the account pages.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { query, settings } from "./chromium.mjs";

const require = createRequire(import.meta.url);
export const PAGES = `${settings.api}/account`;
export const PASSWORD = "people who click on pages";

/** Fill a form's fields by their labels, and submit it by its button. */
export async function submit(page, fields, button) {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
  await page.getByRole("button", { name: button, exact: true }).click();
}

/** What the page says of an error, in the summary that screen readers announce and that has the focus. */
export async function summary(page) {
  const box = page.getByRole("alert").filter({ visible: true }).first();
  await box.waitFor();
  return (await box.innerText()).trim();
}

export async function register(page, email) {
  query("DELETE FROM rate_limits");
  await page.goto(`${PAGES}/register`);
  await submit(page, { "Email address": email, Password: PASSWORD }, "Create an account");
  await page.waitForURL(PAGES);
  await page.getByRole("heading", { name: "Your account" }).waitFor();
}

export const logIn = (page, email, password = PASSWORD) =>
  submit(page, { "Email address": email, Password: password }, "Log in");

export const arrive = (page) => page.getByRole("heading", { name: "Your account" }).waitFor();

/** The page's secret for an authenticator app. */
export async function secretOf(page) {
  await page.getByRole("heading", { name: "1. Scan this" }).waitFor();
  return (await page.locator("#app-secret").innerText()).replaceAll(" ", "");
}

const jsQr = readFileSync(require.resolve("jsqr/dist/jsQR.js"), "utf8");

/** What a phone reads from the picture of this element. */
export async function scanned(page, selector) {
  const picture = (await page.locator(selector).screenshot()).toString("base64");
  const reader = await page.context().newPage();
  await reader.evaluate(jsQr);
  const text = await reader.evaluate(async (picture) => {
    const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
    const { width, height } = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(await createImageBitmap(new Blob([bytes])), 0, 0);
    return globalThis.jsQR(context.getImageData(0, 0, width, height).data, width, height)?.data;
  }, picture);
  await reader.close();
  return text;
}

/** The recovery codes that the page shows. */
export async function recoveryCodesOf(page) {
  await page.getByRole("heading", { name: "Keep your recovery codes" }).waitFor();
  return page.locator("#codes li").allInnerTexts();
}

/** Every session of this account is as good as one that began an hour ago. */
export const growOld = (email) =>
  query(`UPDATE login_sessions SET authenticated_at = authenticated_at - interval '1 hour' FROM users
    WHERE users.id = user_id AND users.email = '${email}'`);

/** The link in the newest email to this address, which may still be on its way. */
export async function mailedLink(address, page) {
  for (;;) {
    const links = readdirSync(settings.mail)
      .filter((name) => name.endsWith(".eml"))
      .sort()
      .map((name) => readFileSync(join(settings.mail, name), "utf8"))
      .filter((text) => text.includes(`To: ${address}`))
      .map((text) => new RegExp(`^http://\\S+/account/${page}#token=\\S+`, "m").exec(text)?.[0])
      .filter(Boolean);
    if (links.length) return links.at(-1);
    await setTimeout(100); // the test's own time limit ends this
  }
}

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** Have axe-core look at the page as it is now. */
export async function audit(page, name) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
  assert.deepEqual(violations, [], name);
}

/** Nothing that a script could read later is left in the browser. */
export async function nothingIsStored(page) {
  const stored = await page.evaluate(async () => [
    localStorage.length,
    sessionStorage.length,
    document.cookie,
    (await indexedDB.databases()).length,
    (await caches.keys()).length,
    history.state,
  ]);
  assert.deepEqual(stored, [0, 0, "", 0, 0, null]);
}

/**
 * A summary with this text has the focus, and screen readers hear it; if it is about a field, the field says it, too.
 * @param scope the page, or the form where others have summaries, too
 */
export async function refused(scope, text, label) {
  const box = scope.getByRole("alert").filter({ visible: true, hasText: text });
  await box.waitFor();
  assert.ok(await box.evaluate((element) => element === document.activeElement), `${text} has no focus`);
  if (!label) return;
  const field = scope.getByLabel(label, { exact: true }).filter({ visible: true });
  const description = await field.evaluate((input) =>
    input
      .getAttribute("aria-describedby")
      .split(" ")
      .map((id) => document.getElementById(id).innerText)
      .join(" "),
  );
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.ok(description.includes(text), description);
}
