// The section of passkeys.

import { api } from "../../account_pages/pages/api.js";
import { element, find, onSubmit, showErrors, timeElement } from "../../account_pages/pages/forms.js";
import { addSection, reload } from "../../account_pages/pages/sections.js";
import { isSupported } from "./passkey.js";
import { refusalInWords } from "./words.js";

/**
 * @typedef {object} Passkey
 * @property {string} id
 * @property {string} name
 * @property {string} created_at
 * @property {string | null} last_used_at
 */

const form = /** @type {HTMLFormElement} */ (find("#passkey-add"));
find("#passkey-adding").hidden = !isSupported;
find("#passkeys-unsupported").hidden = isSupported;

addSection("passkeys", async () => {
  /** @type {Passkey[]} */
  const passkeys = await api("GET", "/auth/passkeys");
  const list = find("#passkey-list");
  list.replaceChildren(...passkeys.map(item));
  list.hidden = passkeys.length === 0; // screen readers would announce an empty list
});

/** @param {Passkey} passkey */
function item({ id, name, created_at, last_used_at }) {
  const used = last_used_at ? [", last used ", timeElement(last_used_at)] : [", never used"];
  const button = element("button", { className: "quiet", textContent: "Remove", ariaLabel: `Remove ${name}` });
  const removal = element("form", {}, button);
  onSubmit(removal, async () => {
    if (!confirm(`Remove the passkey “${name}”? Your other ways to log in stay.`)) return;
    await api("DELETE", `/auth/passkeys/${id}`);
    await reload("passkeys");
    find("#passkeys-title").focus();
  });
  const about = element("p", {}, "Added ", timeElement(created_at), ...used);
  return element("li", {}, element("div", {}, element("strong", { textContent: name }), about), removal);
}

onSubmit(form, async ({ name }) => {
  const options = await api("POST", "/auth/passkeys/options");
  /** @type {PublicKeyCredential} */
  let credential;
  try {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    credential = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey }));
  } catch (error) {
    showErrors(form, refusalInWords(error));
    return;
  }
  await api("POST", "/auth/passkeys", { json: { ...credential.toJSON(), name } });
  form.reset();
  await reload("passkeys");
  return `The passkey “${name}” is added.`;
});
