// The page's only script. It keeps the access token in memory: leaving or reloading the page forgets it.

const api = new URL("../", location.href); // the page is at API_PREFIX/docs/second-factor
const $ = (id) => document.getElementById(id);
const show = (id, shown) => ($(id).hidden = !shown);
let accessToken;
let mfaToken;

/** What went wrong, in words for the reader. `code` is the API's `error`. */
class Refusal extends Error {
  constructor(words, code) {
    super(words);
    this.code = code;
  }
}

async function call(method, path, body) {
  const headers = accessToken ? { Authorization: `Bearer ${accessToken}` } : {};
  const isJson = body && !(body instanceof URLSearchParams);
  if (isJson) headers["Content-Type"] = "application/json";
  const request = { method, headers, body: isJson ? JSON.stringify(body) : body };
  const response = await fetch(new URL(path, api), request).catch(() => {
    throw new Refusal("The API can't be reached.");
  });
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  if (response.status === 401 && accessToken) {
    forget();
    throw new Refusal("The login has ended. Log in again.");
  }
  mfaToken = content.mfa_token ?? mfaToken;
  throw new Refusal(inWords(response, content.detail), content.error);
}
function inWords({ status, headers }, detail) {
  if (Array.isArray(detail)) return detail.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}.`).join(" ");
  if (status === 404 && detail === "Not Found") return "This API doesn't have that route. Passkeys need PUBLIC_URL.";
  const wait = status === 429 ? ` (in ${headers.get("Retry-After")} seconds)` : "";
  return `${detail ?? `The API responded with ${status}`}${wait}.`;
}
const json = async (...request) => (await call(...request)).json();

/** What the browser says of passkeys, in words. */
const PASSKEY_ERRORS = {
  AbortError: "The passkey dialog was closed.",
  InvalidStateError: "This device already has a passkey of this account.",
  NotAllowedError: "No passkey was used: this device has none, it could not verify you, or you cancelled.",
  SecurityError: "The passkeys of this API belong to another domain than this page.",
};

function say(words, isError = false) {
  $("message").textContent = words;
  $("message").classList.toggle("error", isError);
}

/** Run an action when a form is sent or a button is pressed, and say how it ended. */
function on(element, action) {
  const isForm = element instanceof HTMLFormElement;
  element.addEventListener(isForm ? "submit" : "click", async (event) => {
    event.preventDefault();
    if (element.ariaBusy) return;
    element.ariaBusy = "true"; // disabled, the button would lose the focus
    const fields = isForm ? Object.fromEntries(new FormData(element)) : {};
    try {
      say("");
      say((await action(fields, event.submitter?.value)) ?? "");
      if (isForm) element.reset();
    } catch (error) {
      if (!(error instanceof Refusal || error.name in PASSKEY_ERRORS)) console.error(error);
      say(PASSKEY_ERRORS[error.name] ?? error.message, true);
    } finally {
      element.ariaBusy = null;
    }
  });
}

async function begin(tokens) {
  accessToken = tokens.access_token;
  $("account").textContent = (await json("GET", "users/me")).email;
  await showState();
  askForCode(false);
  show("logged-out", false);
  show("logged-in", true);
  $("account").focus();
  return "You are logged in.";
}

/** Show the second step of a login instead of the first. */
function askForCode(isAsked) {
  ["log-in", "log-in-with-passkey"].forEach((id) => show(id, !isAsked));
  show("log-in-with-code", isAsked);
}

function forget() {
  accessToken = undefined;
  ["logged-in", "unconfirmed", "recovery"].forEach((id) => show(id, false));
  ["recovery-codes", "secret"].forEach((id) => $(id).replaceChildren());
  show("logged-out", true);
}

async function showState() {
  const { totp, recovery_codes_left, passkeys } = await json("GET", "auth/second-factor");
  $("totp-state").textContent = totp
    ? `An app is set up. Recovery codes left: ${recovery_codes_left}.`
    : "No app is set up. With one, a login needs its code as well as the password.";
  show("set-up-totp", !totp);
  show("change-totp", totp);
  $("passkeys-state").textContent = passkeys.length
    ? ""
    : "There is none yet. A passkey logs in without email, password or code.";
  $("passkeys").replaceChildren(...passkeys.map(passkeyRow));
}

function passkeyRow({ id, name, created_at, last_used_at }) {
  const day = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const row = document.createElement("li");
  const times = document.createElement("small");
  times.textContent = `Registered ${day(created_at)}, ${last_used_at ? `last used ${day(last_used_at)}` : "not used yet"}`;
  const button = Object.assign(document.createElement("button"), { textContent: "Remove", className: "danger" });
  button.setAttribute("aria-label", `Remove ${name}`);
  on(button, async () => {
    await withProof((proof) => call("DELETE", `auth/passkeys/${id}`, proof));
    await showState();
    $("passkeys-title").focus();
    return `The passkey “${name}” is removed.`;
  });
  row.append(name, times, button);
  return row;
}

/** Send a request; if the API wants proof that the owner is there, ask for it and send the request again. */
async function withProof(send) {
  try {
    return await send();
  } catch (error) {
    const field = { mfa_required: "code", password_required: "current_password" }[error.code];
    if (!field) throw error;
    const value = await ask(field);
    if (!value) throw new Refusal("Nothing was changed.");
    return await send({ [field]: value });
  }
}

function ask(field) {
  const isCode = field === "code";
  $("proof-label").textContent = isCode ? "Code of your app, or a recovery code" : "Password";
  Object.assign($("proof-value"), {
    value: "",
    type: isCode ? "text" : "password",
    autocomplete: isCode ? "one-time-code" : "current-password",
  });
  $("proof").returnValue = "";
  $("proof").showModal();
  return new Promise((resolve) => {
    const value = () => ($("proof").returnValue === "continue" ? $("proof-value").value : "");
    $("proof").addEventListener("close", () => resolve(value()), { once: true });
  });
}

function showRecoveryCodes(codes) {
  const rows = codes.map((code) => Object.assign(document.createElement("li"), { textContent: code }));
  $("recovery-codes").replaceChildren(...rows);
  show("recovery", true);
  $("recovery-title").focus();
}

async function drawQrCode(text) {
  show("qr-code", false);
  const drawn = await call("POST", "docs/second-factor/qr", { text }).catch(() => null); // the secret is there, too
  if (!drawn) return;
  URL.revokeObjectURL($("qr-code").src);
  $("qr-code").src = URL.createObjectURL(await drawn.blob());
  show("qr-code", true);
}

// Browsers learned to convert WebAuthn's JSON between 2023 and 2025. This does it in older ones, and with password
// managers that replace these methods.
const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const withBytes = (credentials = []) => credentials.map((credential) => ({ ...credential, id: bytes(credential.id) }));

const toCreate = (options) =>
  PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: withBytes(options.excludeCredentials),
  };

const toGet = (options) =>
  PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: withBytes(options.allowCredentials),
  };

function toJson(credential) {
  if (credential.toJSON) return credential.toJSON();
  const { id, rawId, type, response } = credential;
  const binary = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const encoded = binary.filter((name) => response[name]).map((name) => [name, base64url(response[name])]);
  const transports = response.getTransports ? { transports: response.getTransports() } : {};
  return {
    ...{ id, type, rawId: base64url(rawId), clientExtensionResults: credential.getClientExtensionResults() },
    response: { ...Object.fromEntries(encoded), ...transports },
  };
}

on($("log-in"), async (fields) => {
  try {
    return await begin(await json("POST", "auth/access-token", new URLSearchParams(fields)));
  } catch (error) {
    if (error.code !== "mfa_required") throw error;
    askForCode(true);
    $("login-code").focus();
    return "The password is right. Now enter a code.";
  }
});
on($("log-in-with-code"), async ({ code }) =>
  begin(await json("POST", "auth/second-factor", { mfa_token: mfaToken, code })),
);
on($("start-again"), async () => askForCode(false));
on($("log-in-with-passkey"), async () => {
  const options = await json("POST", "auth/passkeys/login/options");
  const credential = await navigator.credentials.get({ publicKey: toGet(options) });
  return begin(await json("POST", "auth/passkeys/login", toJson(credential)));
});
on($("log-out"), async () => {
  await call("POST", "auth/revoke", new URLSearchParams({ token: accessToken }));
  forget();
  return "You are logged out.";
});

on($("set-up-totp"), async (fields) => {
  const { secret, otpauth_uri } = await json("POST", "auth/totp", fields);
  $("secret").textContent = secret.replaceAll(/(.{4})(?=.)/g, "$1 ");
  await drawQrCode(otpauth_uri);
  show("set-up-totp", false);
  show("unconfirmed", true);
  $("first-code").focus();
  return "Scan the QR code, then confirm with the code that the app shows.";
});
on($("confirm-totp"), async (fields) => {
  const { recovery_codes } = await json("POST", "auth/totp/confirm", fields);
  show("unconfirmed", false);
  await showState();
  showRecoveryCodes(recovery_codes);
  return "The app is set up. From now on a login needs a code.";
});
on($("change-totp"), async (fields, change) => {
  show("recovery", false);
  if (change === "renew") {
    showRecoveryCodes((await json("POST", "auth/recovery-codes", fields)).recovery_codes);
  } else {
    await call("DELETE", "auth/totp", fields);
  }
  await showState();
  return change === "renew" ? "Here are new recovery codes. All older ones are void." : "The app is removed.";
});
on($("copy"), async () => {
  const codes = [...$("recovery-codes").children].map((row) => row.textContent).join("\n");
  try {
    await navigator.clipboard.writeText(codes);
    return "The recovery codes are copied.";
  } catch {
    getSelection().selectAllChildren($("recovery-codes"));
    return "This browser doesn't let the page copy. The recovery codes are selected: copy them now.";
  }
});

on($("register-passkey"), async ({ name }) => {
  const options = await withProof((proof) => json("POST", "auth/passkeys/options", proof));
  const credential = await navigator.credentials.create({ publicKey: toCreate(options) });
  await call("POST", "auth/passkeys", { name, ...toJson(credential) });
  await showState();
  return `The passkey “${name}” is registered.`;
});

const isAddress = /^(\d+\.){3}\d+$|^\[/.test(location.hostname);
if (isAddress || !window.PublicKeyCredential) {
  const notice = $("no-passkeys");
  notice.append("Passkeys need a host name, and HTTPS or localhost. ");
  if (/^(127\.|\[::1\])/.test(location.hostname)) {
    const url = Object.assign(new URL(location.href), { hostname: "localhost" });
    const link = Object.assign(document.createElement("a"), { href: url, textContent: url.href });
    notice.append("Open this page as ", link, " to try them.");
  }
  notice.hidden = false;
}
document.body.classList.toggle("without-passkeys", !window.PublicKeyCredential);
