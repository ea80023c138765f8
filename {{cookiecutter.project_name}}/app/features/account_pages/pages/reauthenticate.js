// The dialog that asks “Is that you?”, wherever the API wants a recent login.

import { api, setReauthentication } from "./api.js";
import { CancelledError, clearErrors, find, onSubmit } from "./forms.js";

/**
 * @typedef {object} Way to re-authenticate
 * @property {HTMLElement} element the part of the dialog that is shown for it
 * @property {() => Promise<boolean>} isOffered whether this account can use it
 * @property {boolean} [isInsteadOfPassword] whether the password isn't enough for such an account
 */

/** @type {Way[]} */
const ways = [];
/** @type {(() => void) | undefined} */
let finish;

/** @param {Way} way whose element calls `proven` once the API has accepted a proof */
export function addWay(way) {
  ways.push(way);
}

/** The login is recent again: the dialog closes, and what was wanted goes on. */
export function proven() {
  finish?.();
}

const dialog = /** @type {HTMLDialogElement} */ (find("#reauthenticate"));
const passwordForm = /** @type {HTMLFormElement} */ (find("#reauthenticate-password"));

onSubmit(passwordForm, async ({ current_password }) => {
  await api("POST", "/auth/reauthenticate", { json: { password: current_password } });
  proven();
});
find("#reauthenticate-cancel").addEventListener("click", () => dialog.close());

/** @type {Promise<void> | undefined} */
let asking;

setReauthentication(() => {
  asking ??= ask().finally(() => {
    asking = undefined;
  });
  return asking;
});

/** Returns once the session is recent; throws CancelledError. */
async function ask() {
  const offered = await Promise.all(ways.map((way) => way.isOffered()));
  ways.forEach((way, index) => {
    way.element.hidden = !offered[index];
  });
  passwordForm.hidden = ways.some((way, index) => offered[index] && way.isInsteadOfPassword);
  for (const form of dialog.querySelectorAll("form")) {
    form.reset();
    clearErrors(form);
  }
  /** @type {Promise<void>} */
  const answer = new Promise((resolve, reject) => {
    finish = () => {
      resolve();
      dialog.close();
    };
    dialog.addEventListener("close", () => reject(new CancelledError()), { once: true });
  });
  dialog.showModal();
  return answer;
}
