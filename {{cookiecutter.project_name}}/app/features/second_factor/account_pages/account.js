// The section of the authenticator app and its recovery codes.

import { api } from "../../account_pages/pages/api.js";
import { element, find, onSubmit } from "../../account_pages/pages/forms.js";
import { addSection, reload } from "../../account_pages/pages/sections.js";
import "./words.js";

addSection("second-factor", async () => {
  const { totp, recovery_codes_left } = await api("GET", "/auth/second-factor");
  const codes = recovery_codes_left === 1 ? "1 recovery code" : `${recovery_codes_left || "no"} recovery codes`;
  find("#codes-left").textContent = `You have ${codes} left.`;
  show(totp ? "app-on" : "app-off");
});

/** @param {"app-off" | "app-setup" | "app-codes" | "app-on"} part */
function show(part) {
  for (const each of ["app-off", "app-setup", "app-codes", "app-on"]) find(`#${each}`).hidden = each !== part;
}

/** Show what the API says now, where the reader is. */
async function showAgain() {
  await reload("second-factor");
  find("#second-factor-title").focus();
}

onSubmit(find("#app-begin"), async () => {
  const { secret, otpauth_uri } = await api("POST", "/auth/totp");
  find("#app-secret").textContent = secret.match(/.{1,4}/g).join(" ");
  await drawCode(otpauth_uri);
  /** @type {HTMLFormElement} */ (find("#app-confirm")).reset();
  show("app-setup");
  find("#app-scan").focus();
});

/** @param {string} uri */
async function drawCode(uri) {
  const drawing = find("#qr-code");
  const code = await api("POST", "/auth/totp/qr-code", { json: { otpauth_uri: uri } }).catch(() => null);
  drawing.toggleAttribute("hidden", !code); // without it, the secret can still be typed
  if (!code) return;
  drawing.setAttribute("viewBox", `0 0 ${code.size} ${code.size}`);
  find("path", drawing).setAttribute("d", code.path);
}

onSubmit(find("#app-confirm"), async ({ code }) => {
  const { recovery_codes } = await api("POST", "/auth/totp/confirm", { json: { code: code.trim() } });
  showCodes(recovery_codes);
});
find("#app-cancel").addEventListener("click", showAgain);

onSubmit(find("#codes-renew"), async () => {
  const { recovery_codes } = await api("POST", "/auth/recovery-codes");
  showCodes(recovery_codes);
});

/** @param {string[]} codes */
function showCodes(codes) {
  find("#app-secret").textContent = "";
  find("#codes").replaceChildren(...codes.map((code) => element("li", { textContent: code })));
  const file = new Blob([`${codes.join("\n")}\n`], { type: "text/plain" });
  /** @type {HTMLAnchorElement} */ (find("#codes-save")).href = URL.createObjectURL(file);
  find("#codes-said").textContent = "";
  show("app-codes");
  find("#app-codes-title").focus();
}

find("#codes-copy").addEventListener("click", async () => {
  const codes = [...find("#codes").children].map((item) => item.textContent);
  const isCopied = await navigator.clipboard?.writeText(codes.join("\n")).then(() => true, () => false);
  find("#codes-said").textContent = isCopied ? "Copied." : "Your browser forbids to copy. Save or print them.";
});
find("#codes-print").addEventListener("click", () => print());
find("#codes-kept").addEventListener("click", async () => {
  URL.revokeObjectURL(/** @type {HTMLAnchorElement} */ (find("#codes-save")).href);
  find("#codes").replaceChildren();
  await showAgain();
});

onSubmit(find("#app-remove"), async () => {
  if (!confirm("Remove the app? Your password alone will then be enough to log in.")) return;
  await api("DELETE", "/auth/totp");
  await showAgain();
});
