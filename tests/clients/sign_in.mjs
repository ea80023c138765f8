// Log in with panva's oidc-provider, a certified one, whose own pages ask for a name and for consent; and with what
// looks like GitHub.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import Provider from "oidc-provider";
import { close, nextCode, open, settings, step } from "./chromium.mjs";
import {
  PAGES,
  PASSWORD,
  arrive,
  audit,
  growOld,
  logIn,
  recoveryCodesOf,
  refused,
  register,
  secretOf,
  submit,
} from "./pages.mjs";

const { issuer, callback, github } = settings;
const person = { email: "linked@example.com", email_verified: true };
const provider = new Provider(issuer, {
  clients: [{ client_id: "us", client_secret: "a secret", redirect_uris: [callback] }],
  claims: { email: ["email", "email_verified"], openid: ["sub"] },
  cookies: { keys: ["a key of the test"] },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...person }) }),
  pkce: { required: () => true },
});
const server = provider.listen(Number(new URL(issuer).port), "127.0.0.1");
await once(server, "listening");

const API_OF_GITHUB = {
  "/login/oauth/access_token": { access_token: "gho_x" },
  "/api/v3/user": { id: 583231, login: "octocat" },
  "/api/v3/user/emails": [{ email: "octocat@example.com", primary: true, verified: true }],
};
const alike = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, github);
  if (pathname === "/login/oauth/authorize") {
    const answer = new URLSearchParams({ code: "x", state: searchParams.get("state"), iss: `${github}/login/oauth` });
    const back = `${searchParams.get("redirect_uri")}?${answer}`;
    response.writeHead(302, { Location: back }).end();
  } else {
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(API_OF_GITHUB[pathname]));
  }
}).listen(Number(new URL(github).port), "127.0.0.1");
await once(alike, "listening");

/** A tab, in which the provider's pages get no font from elsewhere. */
async function openHere(url) {
  const page = await open(url);
  await page.route("https://fonts.googleapis.com/**", (route) => route.fulfill({ contentType: "text/css", body: "" }));
  return page;
}

/** On the provider's own pages, which remember who is logged in. */
async function atProvider(page, name, asksForName = true) {
  if (asksForName) {
    await page.getByPlaceholder("Enter any login").fill(name);
    await page.getByPlaceholder("and password").fill("any");
    await page.getByRole("button", { name: "Sign-in" }).click();
  }
  const consent = page.getByRole("button", { name: "Continue" });
  const back = page.getByRole("heading", { name: /Your account|Log in/ });
  await consent.or(back).first().waitFor();
  if (await consent.isVisible()) await consent.click();
}

try {
  const page = await openHere(`${PAGES}/login`);
  await page.getByRole("link", { name: "Log in with Company" }).waitFor();
  await audit(page, "the login page");
  await step(page, "a link for each provider");
  await page.getByRole("link", { name: "Log in with Company" }).click();
  await atProvider(page, "ana");
  await arrive(page);
  assert.equal(page.url(), PAGES);
  await page.locator("#who", { hasText: person.email }).waitFor();
  await page.getByText(`Company: ${person.email}`).waitFor();
  await page.getByRole("button", { name: "Link a login with Company" }).waitFor();
  await audit(page, "the account's page");
  await step(page, "logged in, without a password");

  const linked = page.locator("#linked-logins");
  const remove = linked.getByRole("button", { name: `Remove Company (${person.email})` });
  await remove.click();
  await refused(linked, "This is your only way to log in.");
  await page.getByRole("region", { name: "Email address" }).getByRole("link", { name: "Set a password" }).click();
  await submit(page, { "Your first password": PASSWORD }, "Save the password");
  await page.getByText("Change the password").waitFor();
  await remove.click();
  await page.getByText(`Company: ${person.email}`).waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Link a login with Company" }).click();
  await atProvider(page, "ana", false);
  await page.waitForURL(`${PAGES}#linked-logins`);
  await page.getByText(`Company: ${person.email}`).waitFor();
  await step(page, "linked by the owner");

  growOld(person.email);
  await remove.click();
  await page.getByRole("button", { name: "Log in with Company again" }).click();
  await atProvider(page, "ana"); // it asks, although it knows
  await page.waitForURL(`${PAGES}#linked-logins`);
  await remove.click();
  await page.getByText(`Company: ${person.email}`).waitFor({ state: "detached" });
  await step(page, "removed after another login at the provider");

  // Somebody else's account, which isn't verified, is not joined.
  person.email = "stranger@example.com";
  const other = await openHere(`${PAGES}/register`);
  await register(other, person.email);
  await other.getByRole("button", { name: "Log out", exact: true }).click();
  await other.getByRole("link", { name: "Log in with Company" }).click();
  await atProvider(other, "bob");
  await refused(other, "There is an account with your email address.");
  await step(other, "an account that was there first isn't joined");
  await logIn(other, person.email);
  await arrive(other);

  const third = await openHere(`${PAGES}/login?return_to=${encodeURIComponent("/account?x=1#sessions")}`);
  await third.getByRole("link", { name: "Log in with GitHub" }).click();
  await third.waitForURL(`${settings.api}/account?x=1#sessions`);
  await third.getByText("GitHub: octocat@example.com").waitFor();
  await step(third, "logged in with GitHub, where the login was to lead");

  // Where a code is wanted, too: wherever the login leads, and as a re-authentication.
  await third.getByRole("button", { name: "Set up an app" }).click();
  const secret = await secretOf(third);
  await submit(third.locator("#app-confirm"), { Code: await nextCode(secret) }, "Turn it on");
  await recoveryCodesOf(third);
  growOld("octocat@example.com");
  await third.reload();
  await third.getByRole("button", { name: "Get new recovery codes" }).click();
  await third.getByRole("button", { name: "Log in with GitHub again" }).click();
  await submit(third, { Code: await nextCode(secret) }, "Log in");
  await arrive(third);
  await third.getByRole("button", { name: "Get new recovery codes" }).click();
  await recoveryCodesOf(third);
  await third.getByRole("button", { name: "Log out", exact: true }).first().click();
  await third.getByText("You are logged out.").waitFor();
  await third.goto(`${PAGES}/login?return_to=/docs`);
  await third.getByRole("link", { name: "Log in with GitHub" }).click();
  await submit(third, { Code: await nextCode(secret) }, "Log in");
  await third.waitForURL(`${settings.api}/docs`);
  await step(third, "a code is asked for on the login page, before the login leads elsewhere");

  // The account that is logged in, meanwhile, is not the one of this login.
  await other.setViewportSize({ width: 800, height: 400 });
  await other.getByRole("button", { name: "Link a login with GitHub" }).click();
  await refused(other, "This login belongs to another account.");
  await step(other, "a login of another account isn't linked");
} finally {
  await close();
  for (const each of [server, alike]) each.close().closeAllConnections();
}
