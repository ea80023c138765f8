// The page on which people confirm their address, by the link of an email. It has a button, since scanners of emails
// follow links.

import { api, resume } from "../../account_pages/pages/api.js";
import { find, onSubmit } from "../../account_pages/pages/forms.js";
import { showStep } from "../../account_pages/pages/logging_in.js";
import { takeToken } from "./link.js";
import "./words.js";

const token = takeToken();
if (!token) showStep(find("#no-token"));

onSubmit(find("#verification"), async () => {
  await resume(); // whoever is logged in to the account, in this browser, stays so
  await api("POST", "/auth/verify-email", { json: { token } });
  showStep(find("#verified"));
});
