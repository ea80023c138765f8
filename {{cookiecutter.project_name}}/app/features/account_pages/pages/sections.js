// The sections of the account's page.

import { element, find, CancelledError } from "./forms.js";
import { inWords } from "./words.js";

/**
 * @typedef {object} Account
 * @property {string} id
 * @property {string} email
 */

/** @type {Map<string, (account: Account) => Promise<void>>} */
const sections = new Map();
/** @type {Account} */
let current;

/**
 * Add the section with this id, whose HTML is in the page.
 * @param {string} id
 * @param {(account: Account) => Promise<void>} load shows what the API says; called first when the page is shown
 */
export function addSection(id, load) {
  sections.set(id, load);
}

/**
 * Load a section again, after a change. A section that fails says so, and has a button.
 * @param {string} id
 */
export async function reload(id) {
  const section = find(`#${id}`);
  section.querySelector(":scope > .failed")?.remove();
  section.ariaBusy = "true";
  try {
    await sections.get(id)?.(current);
  } catch (error) {
    if (error instanceof CancelledError) return;
    const button = element("button", { type: "button", className: "quiet", textContent: "Try again" });
    button.addEventListener("click", () => reload(id));
    section.append(element("div", { className: "failed", role: "alert" }, inWords(error)[0].text, " ", button));
  } finally {
    section.ariaBusy = "false";
  }
}

/** @param {Account} account */
export async function loadAll(account) {
  current = account;
  await Promise.all([...sections.keys()].map(reload));
}
