// The sections of linked logins and of a first password.

import { api } from "../../account_pages/pages/api.js";
import { element, find, onSubmit, showErrors, timeElement } from "../../account_pages/pages/forms.js";
import { addSection, reload } from "../../account_pages/pages/sections.js";
import { readProviders, takeRefusal } from "./providers.js";

/**
 * @typedef {object} Identity
 * @property {string} id
 * @property {string} provider
 * @property {string | null} email
 * @property {string} created_at
 * @property {string | null} last_used_at
 */

const refusal = takeRefusal();
if (refusal) showErrors(find("#linked-logins"), [{ text: refusal.text }]);

addSection("linked-logins", async () => {
  /** @type {[Identity[], import("./providers.js").Provider[]]} */
  const [identities, providers] = await Promise.all([api("GET", "/auth/identities"), readProviders()]);
  const names = Object.fromEntries(providers.map(({ id, name }) => [id, name]));
  const list = find("#linked-login-list");
  list.replaceChildren(...identities.map((identity) => item(identity, names[identity.provider] ?? identity.provider)));
  list.hidden = identities.length === 0; // screen readers would announce an empty list
  find("#linkable").replaceChildren(...providers.map(linkForm));
});

/**
 * @param {Identity} identity
 * @param {string} name
 */
function item({ id, email, created_at, last_used_at }, name) {
  const used = last_used_at ? [", last used ", timeElement(last_used_at)] : [", never used"];
  const label = `Remove ${name}${email ? ` (${email})` : ""}`;
  const removal = element("form", {}, element("button", { className: "quiet", textContent: "Remove", ariaLabel: label }));
  onSubmit(removal, async () => {
    await api("DELETE", `/auth/identities/${id}`);
    await reload("linked-logins");
    find("#linked-logins-title").focus();
  });
  const title = element("strong", { textContent: email ? `${name}: ${email}` : name });
  const about = element("p", {}, "Linked ", timeElement(created_at), ...used);
  return element("li", {}, element("div", {}, title, about), removal);
}

/** @param {import("./providers.js").Provider} provider */
function linkForm({ id, name }) {
  const form = element("form", {}, element("button", { className: "quiet", textContent: `Link a login with ${name}` }));
  onSubmit(form, async () => {
    const body = { return_to: `${location.pathname}#linked-logins` };
    location.assign((await api("POST", `/auth/browser/providers/${id}/link`, { json: body })).location);
    await new Promise(() => {}); // the button stays busy until the page is gone
  });
  return form;
}

// What other sections let nobody change without the password, such as the address
const changes = [...document.querySelectorAll("#account details [autocomplete=current-password]")].map((field) => {
  const link = element("a", { href: "#first-password", textContent: "Set a password" });
  const note = element("p", { className: "notice", hidden: true }, link, " to be able to change this.");
  const details = /** @type {HTMLDetailsElement} */ (field.closest("details"));
  details.after(note);
  return { details, note };
});

addSection("first-password", async ({ email }) => {
  const { is_set } = await api("GET", "/users/me/password");
  find("#first-password").hidden = is_set;
  find("#password").hidden = !is_set;
  for (const { details, note } of changes) {
    details.hidden = !is_set;
    note.hidden = is_set;
  }
  /** @type {HTMLInputElement} */ (find("#first-username")).value = email;
});

onSubmit(find("#set-first-password"), async ({ new_password }) => {
  await api("POST", "/users/me/password", { json: { new_password } });
  await reload("first-password");
  find("#password-title").focus();
});
