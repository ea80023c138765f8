// One session in several tabs; reloads, lost networks, sessions that are over, back and forward; where a login leads.
import assert from "node:assert/strict";
import { close, open, openTab, query, register as registerOther, settings } from "./chromium.mjs";
import { PAGES, PASSWORD, arrive, logIn, nothingIsStored, refused, register, submit } from "./pages.mjs";

const email = "tabs@example.com";
const endSessions = () =>
  query(`DELETE FROM login_sessions USING users WHERE users.id = user_id AND users.email = '${email}'`);

// Nobody may be led away by these; test_return_to.py has fifty more.
const REFUSED = ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"];
const ALLOWED = ["/docs", "/docs?a=b#c", settings.listed, `${settings.listed}/index.html?a=b#c`];

try {
  const page = await open(`${PAGES}/register`);
  await register(page, email);
  await nothingIsStored(page);

  const context = page.context();
  const tab = await openTab(context, PAGES);
  await arrive(tab);
  for (let round = 0; round < 3; round++) {
    await Promise.all([page.reload(), tab.reload()]); // without a leeway, two refreshes at once would end the session
    await Promise.all([arrive(page), arrive(tab)]);
  }
  console.log("two tabs refresh at once, and stay logged in");

  await page.goto(`${settings.api}/docs`);
  await page.goto(PAGES);
  await arrive(page);
  await page.getByRole("button", { name: "Log out", exact: true }).first().click();
  await page.getByText("You are logged out.").waitFor();
  await tab.getByText("You are logged out.").waitFor();
  await page.goBack(); // the documentation
  await page.goBack(); // the account
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  assert.equal(await page.getByText(email).count(), 0);
  console.log("a logout is a sentence in all tabs, and nothing of the account comes back");

  await page.goto(`${PAGES}/login`);
  await logIn(page, email);
  await Promise.all([arrive(page), arrive(tab)]); // the other tab was on the login page
  await page.goto(`${settings.api}/docs`);
  await page.goBack();
  await arrive(page);
  await page.goForward();
  await page.goBack();
  await arrive(page);
  console.log("a login in one tab is one in the other; back and forward work");

  await context.setOffline(true);
  await page.getByRole("button", { name: "Send the email again" }).click();
  await refused(page, "The server can’t be reached. Check your connection, and try again.");
  await context.setOffline(false);
  await page.getByRole("button", { name: "Send the email again" }).click();
  await page.getByText("The email is on its way.").waitFor();
  for (const route of ["browser/refresh", "sessions"]) {
    await page.route(`${settings.api}/auth/${route}`, (request) => request.abort("internetdisconnected"));
    await page.reload();
    await page.getByText("The server can’t be reached. Check your connection, and try again.").waitFor();
    await page.unrouteAll();
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("This device").waitFor();
  }
  console.log("a lost network is a sentence and a way on");

  await tab.goto("about:blank"); // else it would see the end of the session first
  endSessions();
  await page.getByText("Change the password").click();
  await submit(page, { "Your password now": PASSWORD, "New password": `${PASSWORD}!` }, "Save the new password");
  await page.getByText("Your session is over. Log in again to go on.").waitFor();
  await logIn(page, email);
  await arrive(page);
  endSessions();
  await page.reload();
  await page.getByText("Log in to go on.").waitFor();
  await logIn(page, email);
  await arrive(page);
  console.log("an expired session is a sentence, and a login leads back");

  await registerOther("other-tabs@example.com", PASSWORD);
  await page.evaluate(
    ([username, password]) =>
      fetch("/auth/browser/login", { method: "POST", body: new URLSearchParams({ username, password }) }),
    ["other-tabs@example.com", PASSWORD],
  ); // as another application does, which tells no tab
  endSessions();
  await page.getByRole("button", { name: "Log out everywhere" }).click();
  await page.locator("#who", { hasText: "other-tabs@example.com" }).waitFor();
  console.log("a page does nothing for another account than it shows");
  await page.getByRole("button", { name: "Log out", exact: true }).first().click();
  await page.getByText("You are logged out.").waitFor();
  await logIn(page, email);
  await arrive(page);

  // Not the page itself: a navigation that interrupts its refresh would end the session.
  await page.route(PAGES, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>Yours" }));
  const withReturn = (address) => `${PAGES}/login?${new URLSearchParams({ return_to: address })}`;
  const real = [...REFUSED.map((address) => [address, PAGES]), ...ALLOWED.map((address) => [address, address])];
  for (const [address, destination] of real) {
    await page.goto(withReturn(address)); // whoever is logged in goes on at once
    await page.waitForURL(new URL(destination, settings.api).href);
  }
  await page.unrouteAll();
  console.log("a login leads nobody away, and back to where the settings let it");
  await page.goto(PAGES);
  await arrive(page);
  await nothingIsStored(page);
} finally {
  await close();
}
