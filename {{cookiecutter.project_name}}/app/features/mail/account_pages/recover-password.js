// The page on which people choose a new password, by the link of an email.

import { api, PAGES, tellOtherTabs } from "../../account_pages/pages/api.js";
import { find, onSubmit } from "../../account_pages/pages/forms.js";
import { showStep } from "../../account_pages/pages/logging_in.js";
import { takeToken } from "./link.js";
import "./words.js";

const token = takeToken();
if (!token) showStep(find("#no-token"));

onSubmit(find("#recovery"), async ({ new_password }) => {
  await api("POST", "/auth/recover-password", { json: { token, new_password } });
  tellOtherTabs();
  location.replace(`${PAGES}/login?reason=password-changed`);
  await new Promise(() => {}); // nothing goes on meanwhile
});
