// Links on the login page, one for each provider, and what became of a login that came back without a session.

import { element, find, showErrors } from "../../account_pages/pages/forms.js";
import { returnTo, takeOver } from "../../account_pages/pages/logging_in.js";
import { loginAddress, readProviders, takeRefusal } from "./providers.js";

const refusal = takeRefusal();
// Once the scripts of all features have said what they take over
addEventListener("DOMContentLoaded", () => {
  if (refusal && !takeOver(refusal.body)) showErrors(find("#login"), [{ text: refusal.text }]);
});

readProviders().then((providers) => {
  const links = providers.map((provider) => {
    const text = `Log in with ${provider.name}`;
    return element("a", { className: "button quiet", href: loginAddress(provider, returnTo()), textContent: text });
  });
  find("#providers").replaceChildren(...links.map((link) => element("p", {}, link)));
}, console.warn);
