// The lines of docs/browser.md in Chromium, on pages of our own and of others: `node browser.mjs SETTINGS`.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

// `listed` and `unlisted` are origins of the API's site, `elsewhere` (listed, too) and `attacker` of another site.
const { executablePath, api, listed, unlisted, elsewhere, attacker, username, password, screenshots } = JSON.parse(
  process.argv[2],
);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext();
context.setDefaultTimeout(120_000);
let steps = 0;

async function open(origin) {
  const page = await context.newPage();
  await page.goto(`${origin}/index.html`);
  return page;
}
async function step(page, name) {
  await page.evaluate((text) => document.body?.append(text, document.createElement("br")), name);
  await page.screenshot({ path: `${screenshots}/${++steps}.png` });
  console.log(name);
}
const status = (page, path = "/users/me") => page.evaluate(async (path) => (await session.apiFetch(path)).status, path);
const isLoggedIn = async (page) => {
  await page.reload(); // which forgets the access token
  return (await status(page)) === 200;
};
const post = (page, route, options = {}) =>
  page.evaluate(
    async ([url, options]) => {
      try {
        const response = await fetch(url, { method: "POST", credentials: "include", ...options });
        return response.type === "opaque" ? "opaque" : response.status;
      } catch {
        return "blocked";
      }
    },
    [`${api}/auth/browser/${route}`, options],
  );
const submit = async (page, route, fields = {}) => {
  const answered = page.waitForNavigation();
  await page.evaluate(
    ([action, fields]) => {
      const form = Object.assign(document.createElement("form"), { method: "POST", action });
      for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement("input"), { name, value }));
      }
      document.body.append(form);
      form.submit();
    },
    [`${api}/auth/browser/${route}`, fields],
  );
  return (await answered).status();
};

try {
  const page = await open(listed);
  assert.equal(await status(page), 401);
  assert.equal(await page.evaluate((u) => session.logIn(u, "wrong").then((r) => r.status), username), 400);
  const loggedIn = ([u, p]) => session.logIn(u, p).then((response) => response.status);
  assert.equal(await page.evaluate(loggedIn, [username, password]), 200);
  assert.equal(await status(page), 200);
  await step(page, "logged in on a page of the same site");

  assert.equal(await page.evaluate(() => document.cookie), "");
  const [cookie] = await context.cookies(`${api}/auth/browser/refresh`);
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite], [true, true, "Strict"]);
  assert.deepEqual(await context.cookies(`${api}/users/me`), []);
  await step(page, "no script reads the cookie, and no other route gets it");

  let refreshes = 0;
  page.on("request", (request) => (refreshes += request.url().endsWith("/refresh") && request.method() === "POST"));
  await page.reload();
  const many = () => Promise.all(Array.from({ length: 12 }, async () => (await session.apiFetch("/users/me")).status));
  assert.deepEqual(new Set(await page.evaluate(many)), new Set([200]));
  assert.equal(refreshes, 1);
  await step(page, "after a reload, twelve requests share one refresh");

  const tab = await open(listed);
  for (let round = 0; round < 5; round++) {
    await Promise.all([page.reload(), tab.reload()]);
    assert.deepEqual(await Promise.all([status(page), status(tab)]), [200, 200]);
  }
  await step(tab, "two tabs refresh at once and stay logged in, without any leeway");

  const stranger = await open(attacker);
  for (const route of ["refresh", "logout", "login"]) {
    assert.equal(await post(stranger, route), "blocked");
    assert.equal(await post(stranger, route, { mode: "no-cors" }), "opaque");
  }
  for (const [route, fields] of [["refresh"], ["logout"], ["login", { username, password }]]) {
    await stranger.goto(`${attacker}/index.html`);
    assert.equal(await submit(stranger, route, fields), 403);
  }
  assert.ok(await isLoggedIn(page));
  await step(stranger, "another site's page can't refresh, log out, log in or read");

  const neighbour = await open(unlisted);
  for (const route of ["refresh", "logout"]) {
    assert.equal(await post(neighbour, route), "blocked");
    assert.equal(await post(neighbour, route, { mode: "no-cors" }), "opaque");
    await neighbour.goto(`${unlisted}/index.html`);
    assert.equal(await submit(neighbour, route), 403);
    await neighbour.goto(`${unlisted}/index.html`);
  }
  assert.ok(await isLoggedIn(page));
  await step(neighbour, "nor can a page of the same site whose origin is not listed, although the cookie is sent");

  const distant = await open(elsewhere);
  assert.equal(await post(distant, "refresh"), 400);
  assert.ok(await isLoggedIn(page));
  await step(distant, "a listed origin of another site never gets the cookie sent");

  const documentation = await context.newPage();
  await documentation.goto(`${api}/docs`);
  assert.equal(await post(documentation, "refresh"), 200); // a page of our own
  await documentation.click(".btn.authorize");
  await documentation.fill("#oauth_username", username);
  await documentation.fill("#oauth_password", password);
  await documentation.click(".modal-btn.auth.authorize");
  await documentation.waitForSelector(".modal-btn.auth:has-text('Logout')");
  await documentation.screenshot({ path: `${screenshots}/${++steps}.png` });
  console.log("the Authorize button logs in");

  assert.ok(await isLoggedIn(page));
  assert.equal(await page.evaluate(() => session.logOut().then((response) => response.status)), 204);
  assert.deepEqual(await context.cookies(`${api}/auth/browser/refresh`), []);
  assert.deepEqual([await status(page), await status(tab)], [401, 401]);
  await step(page, "a logout clears the cookie, and every tab is logged out");
} finally {
  await browser.close();
}
