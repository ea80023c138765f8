// The section of the email address.

import { api } from "../../account_pages/pages/api.js";
import { find, onSubmit } from "../../account_pages/pages/forms.js";
import { addSection, reload } from "../../account_pages/pages/sections.js";
import "./words.js";

const change = /** @type {HTMLFormElement} */ (find("#email-change"));

addSection("email", async () => {
  const { email, verified_at, pending } = await api("GET", "/users/me/email");
  find("#email-now").textContent = email;
  find("#email-verified").hidden = verified_at === null;
  find("#email-verify").hidden = verified_at !== null;
  find("#email-pending").hidden = pending === null;
  find("#email-next").textContent = pending;
});

onSubmit(find("#email-verify"), async () => {
  await api("POST", "/auth/request-verification");
  return "The email is on its way. Its link works for 24 hours.";
});

onSubmit(change, async ({ email, current_password }) => {
  await api("POST", "/users/me/email", { json: { email, current_password } });
  change.reset();
  await reload("email");
  return `An email is on its way to ${email}.`;
});
