// Links on the login page, one for each provider, and what became of a login that came back without a session.

import { PAGES } from "../../account_pages/pages/api.js";
import { element, find, showErrors } from "../../account_pages/pages/forms.js";
import { returnTo, stay, takeOver } from "../../account_pages/pages/logging_in.js";
import { loginAddress, readProviders, takeRefusal } from "./providers.js";

const refusal = takeRefusal();
// After `invalid_state`, the sign-in of another tab, or the same one before, may have been the login that was wanted.
if (refusal && refusal.body.error !== "invalid_state") stay();
// Once the scripts of all features have said what they take over
addEventListener("DOMContentLoaded", () => {
  if (refusal && !takeOver(refusal.body)) showErrors(find("#login"), [{ text: refusal.text }]);
});

readProviders().then((providers) => {
  const links = providers.map((provider) => {
    const text = `Log in with ${provider.name}`;
    return element("a", { className: "button quiet", href: loginAddress(provider, comeBack()), textContent: text });
  });
  find("#providers").replaceChildren(...links.map((link) => element("p", {}, link)));
}, console.warn);

/** Where a login comes back to: pages that aren't ours know nothing of codes and refusals, so this one comes first. */
function comeBack() {
  const wanted = returnTo();
  const { origin, pathname } = new URL(wanted, location.href);
  const isOurs = `${origin}${pathname}/`.startsWith(`${PAGES}/`);
  return isOurs ? wanted : `${PAGES}/login?${new URLSearchParams({ return_to: wanted })}`;
}
