// Events of records and collections, with options, for guests and users, until unsubscribed.
import { Events, client, refused, scenario, signedIn, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const posts = pb.collection("posts");
  const events = new Events();
  const writer = client().collection("posts");

  await step("subscribe to a collection", async () => void (await posts.subscribe("*", events.as("all"))));
  await step("and to a record", async () => void (await posts.subscribe("post00000000005", events.as("one"))));
  await step("connected", () => pb.realtime.isConnected);
  await writer.create({ id: "mypost000000001", title: "New", views: 3, author: "user00000000001" });
  await step("a create", () => events.take(1));
  await writer.update("post00000000005", { title: "Changed" });
  await step("an update, to both", () => events.take(2));
  await writer.update("post00000000006", { "views+": 1 });
  await step("an update, to one", () => events.take(1));
  await writer.delete("mypost000000001");
  await step("a delete", () => events.take(1));

  await posts.unsubscribe("post00000000005");
  await writer.update("post00000000005", { title: "Changed again" });
  await step("unsubscribed from the record", () => events.take(1));
  await posts.unsubscribe("*");
  await step("the last one closes the stream", () => pb.realtime.isConnected);
  await writer.update("post00000000005", { title: "Unseen" });
  await step("nothing more", () => events.take(0, 200));

  const topic = (label, options) => posts.subscribe("*", events.as(label), options);
  await step("with options", async () => {
    await topic("filtered", { filter: "views > 50" });
    await topic("expanded", { expand: "author", fields: "id,title,expand.author.name" });
    await topic("plain");
  });
  await writer.create({ id: "mypost000000002", title: "Few", views: 10, author: "user00000000001" });
  await step("outside of the filter", () => events.take(2));
  await writer.create({ id: "mypost000000003", title: "Many", views: 90, author: "user00000000002" });
  await step("inside of it", () => events.take(3));
  await step("a listener of its own ends alone", async () => {
    const stop = await topic("plain twice");
    await stop();
  });
  await writer.update("mypost000000003", { views: 91 });
  await step("the others go on", () => events.take(3));
  await pb.realtime.unsubscribe();

  await step("a rule that reads a header", async () => {
    await pb.collection("keyed").subscribe("*", events.as("keyed"));
    await pb.collection("keyed").subscribe("*", events.as("keyed blue"), { headers: { "X-Club": "blue" } });
    await pb.collection("keyed").subscribe("keyed0000000002", events.as("keyed open"), { query: { key: "open" } });
  });
  const admin = await superuser();
  await admin.collection("keyed").update("keyed0000000002", { name: "Changed" });
  await step("reaches who sent it", () => events.take(2));
  await pb.collection("keyed").unsubscribe();

  const ada = await signedIn("ada");
  const ben = await signedIn("ben");
  await step("each their own diary", async () => {
    await pb.collection("diaries").subscribe("*", events.as("guest"));
    await ada.collection("diaries").subscribe("*", events.as("ada"));
    await ben.collection("diaries").subscribe("*", events.as("ben"));
    await admin.collection("diaries").subscribe("*", events.as("superuser"));
  });
  await admin.collection("diaries").update("diary0000000001", { entry: "Ben's" });
  await step("shows to owner and superuser", () => events.take(2));
  await admin.collection("diaries").create({ id: "mydiary00000001", entry: "Ada's", owner: "user00000000001" });
  await step("and so does a new one", () => events.take(2));
  await ada.collection("users").subscribe("*", events.as("users for ada"), { fields: "id,email,name" });
  await admin.collection("users").update("user00000000002", { name: "Benjamin" });
  await admin.collection("users").update("user00000000001", { name: "Ada L." });
  await step("e-mails show to whom they may", () => events.take(2));

  await step("a delete with cascade", async () => {
    await pb.collection("comments").subscribe("*", events.as("comments"));
    await writer.delete("post00000000003");
    return events.take(3);
  });
  await step("a batch", async () => {
    await pb.collection("posts").subscribe("*", events.as("batch"), { fields: "id,title" });
    const batch = client().createBatch();
    for (let n = 4; n < 9; n++) batch.collection("posts").create({ id: `mypost00000000${n}`, title: `B${n}` });
    batch.collection("posts").update("post00000000001", { title: "In a batch" });
    await batch.send();
    return events.take(6);
  });
  await step("views are silent", async () => void (await pb.collection("post_stats").subscribe("*", events.as("view"))));
  await writer.update("post00000000001", { title: "Once more" });
  await step("as ever", () => events.take(1));

  await step("a custom topic", async () => void (await pb.realtime.subscribe("news", events.as("news"))));
  await refused("a client nobody knows", 404, () => client().send("/api/realtime", { method: "POST",
    body: { clientId: "a".repeat(40), subscriptions: ["posts/*"] } }));
  await refused("no client", 400, () => client().send("/api/realtime", { method: "POST", body: { subscriptions: [] } }));
  await refused("a stream stays with its user", 403, () => ben.send("/api/realtime", { method: "POST",
    body: { clientId: ada.realtime.clientId, subscriptions: ["posts/*"] } }));
  await refused("and is not given back", 403, () => client().send("/api/realtime", { method: "POST",
    body: { clientId: ada.realtime.clientId, subscriptions: ["posts/*"] } }));
});
