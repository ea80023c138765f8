// Re-authentication with a passkey: a new login of the same account, which replaces this one.

import { api, beginSession } from "../../account_pages/pages/api.js";
import { find, onSubmit, showErrors } from "../../account_pages/pages/forms.js";
import { addWay, proven } from "../../account_pages/pages/reauthenticate.js";
import { getPasskey, isSupported } from "./passkey.js";
import { refusalInWords } from "./words.js";

const form = /** @type {HTMLFormElement} */ (find("#reauthenticate-passkey"));

addWay({
  element: form,
  isOffered: async () => isSupported && (await api("GET", "/auth/passkeys")).length > 0,
});
onSubmit(form, async () => {
  const [{ id }, sessions] = await Promise.all([api("GET", "/users/me"), api("GET", "/auth/sessions")]);
  const passkey = await getPasskey().catch((error) => showErrors(form, refusalInWords(error)));
  if (!passkey) return;
  if (passkey.response.userHandle !== handleOf(id)) {
    showErrors(form, [{ text: "That is a passkey of another account." }]);
    return;
  }
  await beginSession("/passkeys/login", { json: passkey });
  const former = sessions.find((/** @type Record<string, unknown> */ session) => session.current);
  await api("DELETE", `/auth/sessions/${former.id}`).catch(() => {}); // it may have ended by itself
  proven();
});

/**
 * How passkeys name an account: the bytes of its UUID, in base64url.
 * @param {string} id
 */
function handleOf(id) {
  const bytes = id.replaceAll("-", "").match(/../g)?.map((byte) => Number.parseInt(byte, 16)) ?? [];
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
