// The page on which people register. Whoever has registered is logged in at once, if the API lets it.

import { api } from "./api.js";
import { find, onSubmit } from "./forms.js";
import { logIn } from "./logging_in.js";

/** @type {HTMLAnchorElement} */ (find("#login-link")).search = location.search;

onSubmit(find("#register"), async ({ email, password }) => {
  await api("POST", "/users/register", { json: { email, password } });
  await logIn("/login", { form: { username: email, password } });
});
