// Re-authentication by a code. Where an app is set up, the password isn’t enough.

import { api } from "../../account_pages/pages/api.js";
import { find, onSubmit } from "../../account_pages/pages/forms.js";
import { addWay, proven } from "../../account_pages/pages/reauthenticate.js";
import "./words.js";

const form = /** @type {HTMLFormElement} */ (find("#reauthenticate-code"));

addWay({
  element: form,
  isOffered: async () => (await api("GET", "/auth/second-factor")).totp,
  isInsteadOfPassword: true,
});
onSubmit(form, async ({ code }) => {
  await api("POST", "/auth/reauthenticate", { json: { code: code.trim() } });
  proven();
});
