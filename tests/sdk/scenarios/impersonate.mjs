// A superuser acts as somebody.
import { PASSWORD, client, refused, scenario, signedIn, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const admin = await superuser();
  const asBen = await step("as ben, for an hour", async () => {
    const other = await admin.collection("users").impersonate("user00000000002", 3600);
    return { token: other.authStore.token, record: other.authStore.record };
  });
  const ben = client();
  ben.authStore.save(asBen.token, asBen.record);
  await step("ben's diaries", () => ben.collection("diaries").getFullList({ sort: "id" }));
  await step("ben's own e-mail", () => ben.collection("users").getFullList({ sort: "id" }));
  await step("writing as ben", () => ben.collection("diaries").create({ id: "mydiary00000001", entry: "x", owner: "user00000000002" }));
  await step("refreshing gives no longer life", () => ben.collection("users").authRefresh());
  await step("for the usual time", async () => (await admin.collection("staff").impersonate("staff0000000002", 0)).authStore.token);
  await step("where two factors are asked", async () => (await admin.collection("members").impersonate("member000000001", 60)).authStore.record);
  await refused("nobody", 404, () => admin.collection("users").impersonate("nobody000000001", 60));
  await refused("without the right", 403, async () => (await signedIn("ada")).collection("users").impersonate("user00000000002", 60));
  await refused("as guest", 401, () => client().collection("users").impersonate("user00000000002", 60));
  await step("the superuser is unchanged", () => admin.collection("_superusers").authRefresh({ fields: "token,record.email" }));
  await refused("a password of no superuser", 400, () => client().collection("_superusers").authWithPassword("ada@example.com", PASSWORD));
});
