// What the scripts share that drive pages with passkeys in Chromium: `node SCRIPT SETTINGS`.
import { execFileSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";

export const settings = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: settings.executablePath,
  args: ["--no-sandbox", ...(settings.arguments ?? [])],
});

/** What no page may do: contact a host that isn't listed, break its Content-Security-Policy, fail in its script. */
const complaints = [];

export async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 800, height: 1300 }, ...options });
  context.setDefaultTimeout(120_000);
  return openTab(context, url);
}

/** A page that shares cookies with the others of its context. */
export async function openTab(context, url) {
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    const isRefusal = /^Failed to load resource: (the server responded with a status of [45]|net::ERR_INTERNET_DISCONNECTED)/;
    if (message.type() === "error" && !isRefusal.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "blob:" && !settings.hosts.includes(host)) complaints.push(request.url());
  });
  await page.goto(url);
  return page;
}

export async function close() {
  await browser.close();
  complaints.forEach((complaint) => console.error(complaint));
  if (complaints.length) process.exitCode = 1;
}

let steps = 0;
/** A step that has succeeded: a picture of the page, and a line. */
export async function step(page, name) {
  const number = String(++steps).padStart(2, "0");
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `${settings.screenshots}/${settings.name}-${number}.png`, fullPage: true });
  console.log(`${settings.name}-${number}: ${name}`);
}

/** DevTools' virtual authenticator: it confirms everything at once, as its user. */
export async function authenticatorOf(page, { transport = "internal" } = {}) {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport, hasResidentKey: true, hasUserVerification: true };
  const { authenticatorId } = await devTools.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...options, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const send = (method, parameters) => devTools.send(`WebAuthn.${method}`, { authenticatorId, ...parameters });
  return {
    send,
    credentials: async () => (await send("getCredentials")).credentials,
    replaceBy: async (credential) => {
      await send("clearCredentials");
      await send("addCredential", { credential });
    },
  };
}

const python = (code, ...given) => execFileSync(settings.python, ["-c", code, ...given], { encoding: "utf8" }).trim();

export const query = (statement) =>
  python(
    `import asyncio, asyncpg, sys
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute(sys.argv[2])
    await connection.close()
asyncio.run(main())`,
    settings.database,
    statement,
  );

const lastSteps = new Map();
/** The code of the next time step that the API still takes: it takes each once, the one before and after, too. */
export async function nextCode(secret) {
  const now = () => Date.now() / 30_000;
  let lastStep = lastSteps.get(secret) ?? 0;
  while (lastStep + 1 > Math.floor(now()) + 1) await setTimeout(500);
  lastStep = Math.max(lastStep + 1, Math.floor(now() - 0.6)); // good for 12 s more, as a busy machine needs them
  lastSteps.set(secret, lastStep);
  return python("import sys, pyotp; print(pyotp.TOTP(sys.argv[1]).at(int(sys.argv[2])))", secret, `${lastStep * 30}`);
}

export async function register(email, password) {
  const body = JSON.stringify({ email, password });
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${settings.api}/users/register`, { method: "POST", headers, body });
  if (response.status !== 201) throw new Error(await response.text());
}
