// Batches: all or nothing, with files, under everybody's rules.
import { client, download, refused, scenario, signedIn, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const ben = await signedIn("ben");

  await step("a mixed one", () => {
    const batch = pb.createBatch();
    batch.collection("posts").create({ id: "mypost000000001", title: "One", tags: ["red"], author: "user00000000001" },
      { expand: "author", fields: "id,title,tags,expand.author.name" });
    batch.collection("posts").update("mypost000000001", { "tags+": "blue", "views+": 4 });
    batch.collection("posts").upsert({ id: "mypost000000001", title: "One again" });
    batch.collection("posts").upsert({ id: "mypost000000002", title: "Two" });
    batch.collection("posts").delete("post00000000009");
    return batch.send();
  });
  await step("what came of it", () => pb.collection("posts").getFullList({ sort: "id" }));

  await refused("one fails, all fail", 400, () => {
    const batch = pb.createBatch();
    batch.collection("posts").create({ id: "mypost000000003", title: "Three" });
    batch.collection("posts").create({ title: "" });
    batch.collection("posts").delete("post00000000010");
    return batch.send();
  });
  await refused("nothing of it stays", 404, () => pb.collection("posts").getOne("mypost000000003"));
  await refused("a rule forbids", 400, () => {
    const batch = pb.createBatch();
    batch.collection("comments").create({ text: "x", post: "post00000000001", author: "user00000000002" });
    return batch.send();
  });
  await step("the same, signed in", () => {
    const batch = ben.createBatch();
    batch.collection("comments").create({ id: "mycomment000001", text: "x", post: "post00000000001", author: "user00000000002" });
    batch.collection("diaries").update("diary0000000001", { entry: "In a batch" });
    return batch.send();
  });
  await refused("closed to users", 400, () => {
    const batch = ben.createBatch();
    batch.collection("closed").create({ name: "x" });
    return batch.send();
  });
  const admin = await superuser();
  await step("open to superusers", () => {
    const batch = admin.createBatch();
    batch.collection("closed").create({ id: "myclosed0000001", name: "x" });
    batch.collection("posts").update("post00000000001", { internal: "hidden" });
    return batch.send();
  });

  const made = await step("with files", () => {
    const batch = pb.createBatch();
    batch.collection("documents").create({ id: "mydocument00001", name: "In a batch", public: true,
      attachments: [new File(["one"], "one.txt"), new File(["two"], "two.txt")] });
    batch.collection("documents").update("mydocument00001", { "attachments+": new File(["three"], "three.txt") });
    batch.collection("documents").update("document0000002", { name: "Renamed" });
    return batch.send();
  });
  await step("each in its place", () => Promise.all(made[1].body.attachments.map(
    (name) => download(pb.files.getURL(made[1].body, name)))));

  await refused("an empty one", 400, () => pb.createBatch().send());
  await refused("too many", 400, () => {
    const batch = pb.createBatch();
    for (let n = 0; n < 101; n++) batch.collection("posts").delete("post00000000011");
    return batch.send();
  });
  await refused("reads do not belong there", 400, () => pb.send("/api/batch", { method: "POST",
    body: { requests: [{ method: "GET", url: "/api/collections/posts/records" }] } }));
  await refused("signing in does not, either", 400, () => pb.send("/api/batch", { method: "POST",
    body: { requests: [{ method: "POST", url: "/api/collections/users/auth-with-password", body: {} }] } }));
});
