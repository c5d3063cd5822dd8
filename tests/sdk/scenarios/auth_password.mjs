// Signing in with a password, what the auth store then holds, refreshing, signing out.
import { PASSWORD, PocketBase, baseUrl, client, refused, scenario, signedIn, step } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const users = pb.collection("users");
  const store = () => ({ token: pb.authStore.token, record: pb.authStore.record, valid: pb.authStore.isValid,
    superuser: pb.authStore.isSuperuser });

  await step("methods of users", () => users.listAuthMethods());
  await step("methods of members", () => pb.collection("members").listAuthMethods());
  await step("sign in", () => users.authWithPassword("ada@example.com", PASSWORD));
  await step("the store after signing in", store);
  await step("own e-mail shows to its owner", () => users.getOne("user00000000001"));
  await step("another one's hidden e-mail does not", () => users.getOne("user00000000002"));
  await step("refresh", () => users.authRefresh());
  await step("the store after refreshing", store);
  await step("refresh with options", () => users.authRefresh({ fields: "record.id,record.email,token" }));

  const cookie = pb.authStore.exportToCookie({ httpOnly: false });
  const other = new PocketBase(baseUrl);
  other.authStore.loadFromCookie(cookie);
  await step("a server-rendered page signs in by cookie", () => other.collection("users").authRefresh());

  pb.authStore.clear();
  await step("the store after signing out", store);
  await step("signed out: no own e-mail", () => users.getOne("user00000000002"));
  await refused("refresh as nobody", 401, () => users.authRefresh());

  await step("sign in by username, into another collection",
    () => pb.collection("staff").authWithPassword("sam", PASSWORD, { fields: "*,record.*" }));
  await step("a boss sees the e-mails he manages", () => pb.collection("staff").getFullList({ sort: "id" }));
  await refused("refresh in another collection", 403, () => users.authRefresh());

  await refused("wrong password", 400, () => client().collection("users").authWithPassword("ada@example.com", "no"));
  await refused("unknown account", 400, () => client().collection("users").authWithPassword("x@example.com", "no"));
  await refused("empty account", 400, () => client().collection("users").authWithPassword("", ""));
  await refused("no auth collection", 404, () => client().collection("posts").authWithPassword("a", "b"));
  await refused("no such collection", 404, () => client().collection("nothing").authWithPassword("a", "b"));

  const stranger = client();
  stranger.authStore.save(pb.authStore.token.slice(0, -3) + "abc", null);
  await step("a broken token reads as a guest", () => stranger.collection("diaries").getList(1, 5));
  stranger.authStore.save("no token at all", null);
  await step("garbage for a token, too", () => stranger.collection("posts").getOne("post00000000001"));
  await refused("but signs in nowhere", 401, () => stranger.collection("users").authRefresh());

  const ben = await signedIn("ben");
  await step("changing the own password", () => ben.collection("users").update("user00000000002",
    { oldPassword: PASSWORD, password: "another-one-2", passwordConfirm: "another-one-2" }));
  await refused("ends the token", 401, () => ben.collection("users").authRefresh());
  await refused("and the old password", 400,
    () => ben.collection("users").authWithPassword("ben@example.com", PASSWORD));
  await step("the new one works", () => ben.collection("users").authWithPassword("ben@example.com", "another-one-2"));
  await step("a new account", () => client().collection("users").create({ id: "newuser00000001", email: "eve@example.com",
    password: PASSWORD, passwordConfirm: PASSWORD, name: "Eve" }));
  await step("signs in", () => client().collection("users").authWithPassword("eve@example.com", PASSWORD));
  await refused("is unique", 400, () => client().collection("users").create({ email: "eve@example.com",
    password: PASSWORD, passwordConfirm: PASSWORD }));
});
