// The section of API keys.

import { api } from "../../account_pages/pages/api.js";
import { element, find, onSubmit, showErrors, timeElement } from "../../account_pages/pages/forms.js";
import { addSection, reload } from "../../account_pages/pages/sections.js";
import "./words.js";

/**
 * @typedef {object} ApiKey
 * @property {string} id
 * @property {string} name
 * @property {string} start
 * @property {string[]} scopes
 * @property {string} created_at
 * @property {string | null} last_used_at
 * @property {string | null} expires_at
 */

const form = /** @type {HTMLFormElement} */ (find("#api-key-make"));
const choices = find("#api-key-scopes");

addSection("api-keys", async () => {
  /** @type {[ApiKey[], {name: string, description: string}[]]} */
  const [keys, scopes] = await Promise.all([api("GET", "/auth/api-keys"), api("GET", "/auth/api-keys/scopes")]);
  const list = find("#api-key-list");
  list.replaceChildren(...keys.map(item));
  list.hidden = keys.length === 0; // screen readers would announce an empty list
  const chosen = new Set(chosenScopes());
  for (const old of choices.querySelectorAll("div")) old.remove();
  choices.append(...scopes.map(({ name, description }) => {
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", name: "scope", value: name, id: `api-key-scope-${name}`, checked: chosen.has(name) });
    return element("div", {}, box, element("label", { htmlFor: box.id, textContent: description }));
  }));
});

function chosenScopes() {
  return new FormData(form).getAll("scope").map(String);
}

/** @param {ApiKey} key */
function item({ id, name, start, scopes, created_at, last_used_at, expires_at }) {
  const used = last_used_at ? [", last used ", timeElement(last_used_at)] : [", never used"];
  const ends = expires_at ? [new Date(expires_at) < new Date() ? ", ended " : ", ends ", timeElement(expires_at)] : [];
  const button = element("button", { className: "quiet", textContent: "Remove", ariaLabel: `Remove ${name}` });
  const removal = element("form", {}, button);
  onSubmit(removal, async () => {
    if (!confirm(`Remove the key “${name}”? Programs that use it will no longer get in.`)) return;
    await api("DELETE", `/auth/api-keys/${id}`);
    await reload("api-keys");
    find("#api-keys-title").focus();
  });
  return element("li", {}, element("div", {},
    element("strong", { textContent: name }),
    element("p", {}, element("code", { textContent: `${start}…` }), " ", scopes.join(", ")),
    element("p", {}, "Made ", timeElement(created_at), ...used, ...ends),
  ), removal);
}

onSubmit(form, async ({ name, days }) => {
  const scopes = chosenScopes();
  if (scopes.length === 0) {
    showErrors(form, [{ text: "Choose what programs with the key may do.", field: "scope" }]);
    return;
  }
  const made = await api("POST", "/auth/api-keys", { json: { name, scopes, ...(days && { expires_in_days: Number(days) }) } });
  form.reset();
  /** @type {HTMLDetailsElement} */ (find("#api-key-making")).open = false;
  find("#api-key").textContent = made.key;
  find("#api-key-said").textContent = "";
  find("#api-key-made").hidden = false;
  await reload("api-keys");
  find("#api-key-made-title").focus();
});

find("#api-key-copy").addEventListener("click", async () => {
  const key = find("#api-key").textContent ?? "";
  const isCopied = await navigator.clipboard?.writeText(key).then(() => true, () => false);
  find("#api-key-said").textContent = isCopied ? "Copied." : "Your browser doesn’t let this page copy. Select the key, and copy it.";
});
find("#api-key-kept").addEventListener("click", () => {
  find("#api-key").textContent = "";
  find("#api-key-made").hidden = true;
  find("#api-keys-title").focus();
});
