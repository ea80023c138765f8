// A user of passkeys on a page of an API's own origin: what a front end does there, by fetch and WebAuthn.

export function userOf(page, api, email, password) {
  /** The status of the last response, or the name of the browser's refusal. */
  const act = (action, name) =>
    page.evaluate(
      async ([api, email, password, action, name]) => {
        const post = (route, body, headers = {}) => fetch(`${api}/auth/${route}`, { method: "POST", body, headers });
        const json = { "Content-Type": "application/json" };
        const actions = {
          register: async () => {
            const login = await post("access-token", new URLSearchParams({ username: email, password }));
            const bearer = { Authorization: `Bearer ${(await login.json()).access_token}` };
            const options = await (await post("passkeys/options", undefined, bearer)).json();
            const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
            const credential = (await navigator.credentials.create({ publicKey })).toJSON();
            return post("passkeys", JSON.stringify({ ...credential, name }), { ...bearer, ...json });
          },
          logIn: async () => {
            const options = await (await post("passkeys/login/options")).json();
            const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
            return post("passkeys/login", JSON.stringify(await navigator.credentials.get({ publicKey })), json);
          },
        };
        try {
          return (await actions[action]()).status;
        } catch (error) {
          return error.name;
        }
      },
      [api, email, password, action, name],
    );
  return { registerPasskey: (name) => act("register", name), logInWithPasskey: () => act("logIn") };
}
