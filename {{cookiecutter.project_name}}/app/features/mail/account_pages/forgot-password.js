// The page on which people ask for a new password.

import { api } from "../../account_pages/pages/api.js";
import { find, onSubmit } from "../../account_pages/pages/forms.js";
import { showStep } from "../../account_pages/pages/logging_in.js";

const form = /** @type {HTMLFormElement} */ (find("#forgotten"));
const sent = find("#sent");

onSubmit(form, async ({ email }) => {
  await api("POST", "/auth/forgot-password", { json: { email } });
  find("#address").textContent = email;
  showStep(sent);
  find("h1", sent).focus();
});
find("#another").addEventListener("click", () => showStep(/** @type {HTMLElement} */ (form.closest("[data-step]"))));
