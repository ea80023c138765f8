// Logging in with a passkey: by a button, and where the browser offers passkeys beside the passwords that it knows.

import { find, onSubmit, showErrors } from "../../account_pages/pages/forms.js";
import { logIn } from "../../account_pages/pages/logging_in.js";
import { inWords } from "../../account_pages/pages/words.js";
import { getPasskey, isSupported } from "./passkey.js";
import { refusalInWords } from "./words.js";

const RENEWAL = 4 * 60_000; // milliseconds; the API takes a passkey for five minutes after it was asked for

const form = /** @type {HTMLFormElement} */ (find("#passkey-login"));
let waiting = new AbortController();

/** Offer passkeys in the field for the email address, until somebody takes one. */
async function offer() {
  waiting = new AbortController();
  const { signal } = waiting;
  const renewal = setTimeout(() => {
    waiting.abort();
    offer();
  }, RENEWAL);
  /** @type {PublicKeyCredentialJSON} */
  let passkey;
  try {
    passkey = await getPasskey({ mediation: "conditional", signal });
  } catch {
    return; // nothing was offered, or no longer: the button is there, and says why
  } finally {
    clearTimeout(renewal);
  }
  await logIn("/passkeys/login", { json: passkey }).catch((error) => showErrors(form, inWords(error)));
}

async function start() {
  form.hidden = false;
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  /** @type {HTMLInputElement} */ (find("#username")).autocomplete = "username webauthn";
  await offer();
}

onSubmit(form, async () => {
  waiting.abort();
  try {
    await logIn("/passkeys/login", { json: await getPasskey() });
  } catch (error) {
    offer();
    showErrors(form, refusalInWords(error));
  }
});
if (isSupported) start();
