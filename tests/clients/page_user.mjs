// A user of the page /docs/second-factor, who finds things by their labels and names.

export function userOf(page, email, password) {
  const field = (name, within = page) => within.getByRole("textbox", { name });
  const user = {
    field,
    press: (name) => page.getByRole("button", { name, exact: true }).click(),
    reads: (words, within = page.getByRole("status")) => within.filter({ hasText: words }).waitFor(),
    sees: (words) => page.getByText(words).filter({ visible: true }).first().waitFor(),
    sendPassword: async (word = password) => {
      await field("Email").fill(email);
      await field("Password").fill(word);
      await user.press("Log in");
    },
    sendCode: async (code) => {
      await user.reads("The password is right. Now enter a code.");
      await field("Code of your app").fill(code);
      await user.press("Send the code");
    },
    logIn: async (code) => {
      await user.sendPassword();
      if (code) await user.sendCode(code);
      await user.reads("You are logged in.");
    },
    logInWithPasskey: async (words = "You are logged in.") => {
      await user.press("Log in with a passkey");
      await user.reads(words);
    },
    logOut: async () => {
      await user.press("Log out");
      await user.reads("You are logged out.");
    },
    setUpApp: async () => {
      await field("Password").fill(password);
      await user.press("Set up an app");
      await user.reads("Scan the QR code");
    },
    confirmApp: async (code) => {
      await field("Code that the app shows").fill(code);
      await user.press("Confirm");
    },
    changeApp: async (code, button) => {
      await field("Password").fill(password);
      await field("Code of your app").fill(code);
      await user.press(button);
    },
    recoveryCodes: () => page.getByRole("group", { name: "Recovery codes" }).getByRole("listitem").allTextContents(),
    registerPasskey: async (name, words) => {
      await field("Name of the new passkey").fill(name);
      await user.press("Register a passkey");
      if (words) await user.reads(words);
    },
    isAskedFor: (label) => field(label, page.getByRole("dialog")).waitFor(),
    proves: async (label, value) => {
      await field(label, page.getByRole("dialog")).fill(value);
      await user.press("Continue");
    },
  };
  return user;
}
