// Where only confirmed addresses log in: a registration and a login lead to the emails, and the link back.
import { close, open, settings } from "./chromium.mjs";
import { PAGES, PASSWORD, arrive, audit, logIn, mailedLink, refused, submit } from "./pages.mjs";

const email = `${settings.registration}@example.com`;

try {
  const page = await open(`${PAGES}/register`);
  const isToldToLookIntoEmails = () => page.getByText("We have sent you an email. Follow the link in it").waitFor();

  await submit(page, { "Email address": email, Password: PASSWORD }, "Create an account");
  await isToldToLookIntoEmails();
  await audit(page, "registered");
  await page.getByRole("link", { name: "Log in", exact: true }).filter({ visible: true }).click();
  await logIn(page, email);
  // A discreet project tells nobody whether the address has an account.
  if (settings.registration === "discreet") await refused(page, "The email address or the password is wrong.");
  else await isToldToLookIntoEmails();

  const { pathname, hash } = new URL(await mailedLink(email, "verify-email")); // another server of the project sent it
  await page.goto(`${settings.api}${pathname}${hash}`);
  await page.getByRole("button", { name: "Confirm the address" }).click();
  await page.getByRole("link", { name: "Go on to your account" }).click();
  await logIn(page, email);
  await arrive(page);
  await page.getByText("Confirmed", { exact: true }).waitFor();
  console.log(`${settings.registration}: only a confirmed address logs in`);
} finally {
  await close();
}
