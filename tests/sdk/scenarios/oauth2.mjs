// Signing in at another provider: the pop-up that reports back over the event stream, and the code by hand.
import { ask, baseUrl, client, refused, scenario, signedIn, step } from "../harness.mjs";

await scenario(async () => {
  await ask("add provider");
  const users = client().collection("users");

  const popup = (seen, hint = "") => (url) => seen.loaded = (async () => {
    const response = await fetch(url + hint); // follows the provider's redirect to us, and ours to the dashboard
    seen.push({ status: response.status, url: response.url, type: response.headers.get("content-type") });
  })();
  // the event may be here before the page is
  const whole = async (seen) => { await seen.loaded; return [...seen]; };
  const shown = ({ token, record, meta }) => ({ token, record, meta: { ...meta, expiry: undefined } });

  const first = [];
  await step("a new person", async () => shown(await users.authWithOAuth2(
    { provider: "oidc", urlCallback: popup(first), createData: { role: "reader" }, expand: "" })));
  await step("what the pop-up showed", () => whole(first));
  await step("the same person again", async () => shown(await users.authWithOAuth2(
    { provider: "oidc", urlCallback: popup([]) })));
  await step("signed in", () => users.authRefresh());

  const ada = await signedIn("ada");
  const { oauth2 } = await step("the providers", async () => {
    const methods = await ada.collection("users").listAuthMethods();
    const { name, displayName, pkce } = methods.oauth2.providers[0];
    return { oauth2: { enabled: methods.oauth2.enabled, name, displayName, pkce } };
  });
  await step("a code by hand: who is known stays himself", async () => shown(
    await ada.collection("users").authWithOAuth2Code(oauth2.name, "code-1", "verifier", `${baseUrl}/api/oauth2-redirect`)));

  const denied = [];
  await refused("the person says no", 0, () => users.authWithOAuth2(
    { provider: "oidc", urlCallback: popup(denied, "&login_hint=denied") }));
  await step("what the pop-up showed then", () => whole(denied));
  await refused("no such provider", 400, () => users.authWithOAuth2Code("google", "code-1", "verifier", baseUrl));
  await step("a redirect nobody waits for", async () => {
    const response = await fetch(`${baseUrl}/api/oauth2-redirect?code=x&state=${"a".repeat(40)}`, { redirect: "manual" });
    return { status: response.status, location: response.headers.get("location") };
  });
  await step("the redirect as a form, as Apple sends it", async () => {
    const response = await fetch(`${baseUrl}/api/oauth2-redirect`, { method: "POST", redirect: "manual",
      body: new URLSearchParams({ code: "x", state: "b".repeat(40) }) });
    return { status: response.status, location: response.headers.get("location") };
  });
});
