// A key of the account page: made, shown one time, copied, used, listed, removed.
import assert from "node:assert/strict";
import { close, open, settings } from "./chromium.mjs";
import { PAGES, audit, growOld, PASSWORD, refused, register, submit } from "./pages.mjs";

const email = "keys@example.com";
const me = (key) => fetch(`${settings.api}/users/me`, { headers: { Authorization: `Bearer ${key}` } });

try {
  const page = await open(`${PAGES}/register`);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await register(page, email);
  const section = page.getByRole("region", { name: "API keys" });
  const dialog = page.getByRole("dialog");
  const choice = section.getByLabel("See and end what is logged in to the account");
  const make = (fields) => submit(section, fields, "Make the key");

  await section.getByText("Make a key").click();
  await make({});
  await refused(page, "Enter a name for the key.", "A name for the new key");
  await make({ "A name for the new key": "Backups", "Days until it ends": "4000" });
  await refused(page, "Enter a number of days", "Days until it ends");
  await make({ "Days until it ends": "90" });
  await refused(page, "Choose what programs", "See and end what is logged in to the account");
  assert.equal(await section.getByText("Read all accounts").count(), 0, "no scope that the account doesn't have");
  await page.setViewportSize({ width: 360, height: 800 });
  await audit(page, "a form with choices");
  console.log("what makes no sense is refused");

  growOld(email);
  await choice.check();
  await make({});
  await dialog.waitFor();
  await submit(dialog, { "Your password": PASSWORD }, "Go on");
  await section.getByRole("heading", { name: "Keep your new key" }).waitFor();
  const key = await section.locator("#api-key").innerText();
  await section.getByRole("button", { name: "Copy" }).click();
  await section.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(excess <= 0, `the page is ${excess} px too wide for a phone`);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await audit(page, `a new key, ${colorScheme}`);
    await section.screenshot({ path: `${settings.screenshots}/api-key-${colorScheme}.png` });
  }
  await section.getByText("never used").waitFor();
  await section.getByRole("button", { name: "I have kept it" }).click();
  assert.ok(!(await page.content()).includes(key), "it is shown one time");
  console.log("a key is shown one time");

  assert.equal((await me(key)).status, 200);
  await page.reload();
  await section.getByText("last used").waitFor();
  page.once("dialog", (question) => question.accept());
  await section.getByRole("button", { name: "Remove Backups" }).click();
  await section.getByRole("button", { name: "Remove Backups" }).waitFor({ state: "detached" });
  assert.equal((await me(key)).status, 401);
  console.log("a key is removed");
} finally {
  await close();
}
