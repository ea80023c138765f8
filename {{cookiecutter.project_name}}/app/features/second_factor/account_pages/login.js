// The second step of a login: a code of the app, or a recovery code.

import { ApiError } from "../../account_pages/pages/api.js";
import { clearErrors, find, onSubmit } from "../../account_pages/pages/forms.js";
import { logIn, onRefusal, showStep } from "../../account_pages/pages/logging_in.js";
import "./words.js";

const LIFETIME = 5 * 60_000; // milliseconds in which the API accepts the MFA token

const step = find("#second-factor");
const passwordForm = /** @type {HTMLFormElement} */ (find("#login"));
const appForm = /** @type {HTMLFormElement} */ (find("#app-code"));
const recoveryForm = /** @type {HTMLFormElement} */ (find("#recovery-code"));
let mfaToken = "";
let since = 0;

onRefusal("mfa_required", ({ mfa_token }) => {
  mfaToken = String(mfa_token);
  since = Date.now();
  show(appForm);
  showStep(step);
});

/** @param {HTMLFormElement} form */
function show(form) {
  for (const each of [appForm, recoveryForm]) {
    each.hidden = each !== form;
    each.reset();
    clearErrors(each);
  }
  find("input", form).focus();
}

/** @param {string} why */
function startAgain(why) {
  passwordForm.reset();
  showStep(/** @type {HTMLElement} */ (passwordForm.closest("[data-step]")));
  find("#reason").textContent = why;
}

for (const form of [appForm, recoveryForm]) {
  onSubmit(form, async ({ code }) => {
    try {
      await logIn("/second-factor", { json: { mfa_token: mfaToken, code: code.trim() } });
    } catch (error) {
      // To a token that is too old the API says the same as to a wrong code.
      if (!(error instanceof ApiError) || error.status !== 400 || Date.now() - since < LIFETIME) throw error;
      startAgain("That took longer than five minutes. Log in again.");
    }
  });
}
find("#use-recovery-code").addEventListener("click", () => show(recoveryForm));
find("#use-app-code").addEventListener("click", () => show(appForm));
find("#start-again").addEventListener("click", () => startAgain(""));
