// Forms: what they say of errors and successes, where, and how screen readers hear of it.

import { inWords } from "./words.js";

/**
 * Send a form with a script. Meanwhile its button is busy. If `send` throws, the form says why: at the fields, and in a
 * summary, which gets the focus. If `send` returns a text, the form says that, as a success.
 * @param {HTMLFormElement} form
 * @param {(fields: Record<string, string>) => Promise<string | void>} send
 */
export function onSubmit(form, send) {
  form.noValidate = true; // the browser's own messages vanish, and can't be styled
  const status = element("p", { role: "status", className: "done" });
  form.append(status);
  for (const input of form.querySelectorAll("input[type=password]")) addShowButton(/** @type {any} */ (input));
  // Until now, a form that somebody sends would leave the page.
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    clearErrors(form);
    status.textContent = "";
    hidePasswords(form);
    const missing = problemsOf(form);
    if (missing.length) return showErrors(form, missing);
    form.ariaBusy = "true";
    try {
      const fields = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
      status.textContent = (await send(fields)) ?? "";
    } catch (error) {
      if (!(error instanceof CancelledError)) showErrors(form, inWords(error));
    } finally {
      form.ariaBusy = "false";
    }
  });
}

/** Thrown where somebody closes a dialog instead of going on: there is nothing to say of it. */
export class CancelledError extends Error {}

/**
 * Say of a form what is wrong: at the fields, and in a summary that has the focus.
 * @param {HTMLElement} form
 * @param {import("./words.js").Words[]} errors
 */
export function showErrors(form, errors) {
  clearErrors(form);
  const list = element("ul");
  for (const { text, field } of errors) {
    const input = field ? form.querySelector(`[name="${CSS.escape(field)}"]`) : null;
    const item = element("li");
    if (input instanceof HTMLElement) {
      const link = element("a", { href: `#${input.id}`, textContent: text });
      link.addEventListener("click", (event) => {
        event.preventDefault();
        input.focus();
      });
      item.append(link);
      const note = element("p", { className: "error", id: `${input.id}-error`, textContent: text });
      (input.closest(".password") ?? input).before(note);
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", [note.id, input.dataset.hint].filter(Boolean).join(" "));
    } else {
      item.textContent = text;
    }
    list.append(item);
  }
  const summary = element("div", { className: "summary", role: "alert", tabIndex: -1 });
  summary.append(list);
  form.prepend(summary);
  document.title = `Error: ${document.title}`; // what screen readers say first
  summary.focus();
}

/** @param {HTMLElement} form */
export function clearErrors(form) {
  document.title = document.title.replace(/^Error: /, "");
  for (const old of form.querySelectorAll(".summary, .error")) old.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    const hint = /** @type {HTMLElement} */ (input).dataset.hint;
    if (hint) input.setAttribute("aria-describedby", hint);
    else input.removeAttribute("aria-describedby");
  }
}

/**
 * What the browser itself finds wrong. The HTML has the words: `data-missing`, `data-invalid`.
 * @param {HTMLFormElement} form
 */
function problemsOf(form) {
  const inputs = /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll("input")]);
  return inputs
    // Browsers take addresses such as jürgen@example.com for mistakes; the API doesn't.
    .filter(({ validity, value }) => !validity.valid && !(validity.typeMismatch && /[^ -~]/.test(value)))
    .map((input) => {
      const { missing = "Fill this in.", invalid = input.validationMessage } = input.dataset;
      return { text: input.validity.valueMissing ? missing : invalid, field: input.name };
    });
}

/** @param {HTMLInputElement} input */
function addShowButton(input) {
  if (input.closest(".password")) return;
  const button = element("button", { type: "button", className: "show", textContent: "Show" });
  button.setAttribute("aria-label", "Show the password");
  const wrapper = element("div", { className: "password" });
  input.before(wrapper);
  wrapper.append(input, button);
  button.addEventListener("click", () => {
    const isShown = input.type === "text";
    input.type = isShown ? "password" : "text";
    button.textContent = isShown ? "Show" : "Hide";
    button.setAttribute("aria-label", isShown ? "Show the password" : "Hide the password");
  });
}

/**
 * Browsers may remember what was in a text field.
 * @param {HTMLElement} form
 */
function hidePasswords(form) {
  for (const button of form.querySelectorAll(".password input[type=text] + button")) {
    /** @type {HTMLButtonElement} */ (button).click();
  }
}

/**
 * A new element. Texts are set as text, whatever is in them.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Partial<HTMLElementTagNameMap[Name]>} [properties]
 * @param {...(Node | string)} children
 */
export function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

/**
 * The element that matches, which has to be there.
 * @template {Element} [Kind=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {Kind}
 */
export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`${selector} isn’t there`);
  return /** @type {Kind} */ (/** @type {unknown} */ (found));
}

/** @param {string} time as the API sends it */
export function timeElement(time) {
  const format = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
  return element("time", { dateTime: time, textContent: format.format(new Date(time)) });
}
