// What the dashboard does: schema, settings, logs, crons, health.
import { client, refused, scenario, signedIn, sleep, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const admin = await superuser();

  await step("health for everybody", () => pb.health.check());
  await step("health for a superuser", async () => {
    const { data, ...rest } = await admin.health.check();
    return { ...rest, data: { ...data, possibleProxyHeader: undefined } }; // there is a proxy, and PocketBase says so
  });

  await step("all collections", () => admin.collections.getFullList({ sort: "name" }));
  await step("one", () => admin.collections.getOne("posts"));
  await step("by filter", () => admin.collections.getList(1, 5, { filter: "type = 'auth'", sort: "name", fields: "id,name" }));
  await step("scaffolds", () => admin.collections.getScaffolds());
  await step("create one", () => admin.collections.create({ id: "pbc_books000001", name: "books", type: "base", listRule: "",
    viewRule: "", fields: [{ id: "text0000000001", name: "title", type: "text", required: true }] }));
  await step("use it", () => admin.collection("books").create({ id: "mybook000000001", title: "A book" }));
  await step("anybody reads it", () => pb.collection("books").getFullList());
  await step("close it", () => admin.collections.update("books", { listRule: null }));
  await refused("nobody lists it", 403, () => pb.collection("books").getList());
  await step("rename it", () => admin.collections.update("books", { name: "volumes" }));
  await refused("the old name is gone", 404, () => pb.collection("books").getOne("mybook000000001"));
  await step("the new one is there", () => pb.collection("volumes").getOne("mybook000000001"));
  await step("import, adding", () => admin.collections.import([{ id: "pbc_shelves00001", name: "shelves", type: "base",
    listRule: "", fields: [{ id: "text0000000001", name: "label", type: "text" }] }]));
  await step("imported", () => pb.collection("shelves").getList());
  await step("truncate", () => admin.collections.truncate("volumes"));
  await step("is empty", () => admin.collection("volumes").getList());
  await step("drop", () => admin.collections.delete("volumes"));
  await refused("is gone", 404, () => admin.collections.getOne("volumes"));
  await refused("a bad schema", 400, () => admin.collections.create({ name: "a b", type: "base", fields: [{ name: "x", type: "odd" }] }));
  await refused("a bad rule", 400, () => admin.collections.update("posts", { listRule: "nothing = 1" }));
  await refused("what others need stays", 400, () => admin.collections.delete("topics"));

  await step("settings", () => admin.settings.getAll({ fields: "meta.*,batch.*,trustedProxy.*,rateLimits.enabled" }));
  await step("change one", () => admin.settings.update({ meta: { appName: "Renamed" } }, { fields: "meta.appName" }));
  await step("it is changed", async () => (await admin.settings.getAll()).meta.appName);
  await refused("a bad one", 400, () => admin.settings.update({ meta: { senderAddress: "no address" } }));
  await step("a test mail", () => admin.settings.testEmail("users", "someone@example.com", "verification"));

  // as superuser: what others read may come from the store, or be asked without marker and name of the client
  await admin.collection("posts").getList(1, 1, { marker: "for-the-log", headers: { "User-Agent": "Marked/1" } });
  const logs = { filter: "data.url ~ 'for-the-log' && data.url !~ 'api/logs'", sort: "-@rowid" };
  await step("the log", async () => {
    // PocketBase writes its log when three seconds went by without a new line: whoever looks must leave it alone
    for (let looks = 0; looks < 4; looks++) {
      await sleep(3_600);
      const page = await admin.logs.getList(1, 5, logs);
      if (page.totalItems > 0) {
        const { url, method, status, userAgent, userIP, remoteIP, auth } = page.items[0].data;
        return { total: page.totalItems, url, method, status, userAgent, userIP, remoteIP, auth };
      }
    }
    throw new Error("not logged");
  });
  await step("one of it", async () => {
    const { items } = await admin.logs.getList(1, 1, logs);
    const one = await admin.logs.getOne(items[0].id);
    return { message: one.message, level: one.level };
  });
  await step("its figures", async () => (await admin.logs.getStats(logs)).map((hour) => hour.total));

  await step("crons", () => admin.crons.getFullList());
  await step("run one", () => admin.crons.run("__pbLogsCleanup__"));
  await refused("run none", 404, () => admin.crons.run("nothing"));
  await step("a query", () => admin.send("/api/sql", { method: "POST", body: { query: "SELECT count(*) AS posts FROM posts" } }));

  const ada = await signedIn("ada");
  for (const [who, other, status] of [["guests", pb, 401], ["users", ada, 403]]) {
    await refused(`no schema for ${who}`, status, () => other.collections.getList());
    await refused(`no settings for ${who}`, status, () => other.settings.getAll());
    await refused(`no logs for ${who}`, status, () => other.logs.getList());
    await refused(`no crons for ${who}`, status, () => other.crons.getFullList());
    await refused(`no backups for ${who}`, status, () => other.backups.getFullList());
  }
});
