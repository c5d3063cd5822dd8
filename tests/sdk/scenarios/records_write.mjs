// Writing records: create, update with modifiers, delete with cascades, under every kind of rule.
import { client, refused, scenario, signedIn, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const posts = pb.collection("posts");
  const id = "mypost000000001";

  await step("create", () => posts.create({ id, title: "Mine – “ü” 🎈", views: 5, tags: ["red"], featured: true,
    published: new Date("2024-03-01T12:00:00Z"), meta: { a: [1, 2.5, "x"], b: null }, place: { lon: 13.4, lat: 52.5 },
    topics: ["topic0000000001"], author: "user00000000001", body: "<p>Hi</p>", internal: "ignored" }));
  await step("read it back", () => posts.getOne(id));
  await step("create with expand and fields", () => posts.create({ id: "mypost000000002", title: "Two",
    author: "user00000000001" }, { expand: "author", fields: "id,title,expand.author.name" }));
  await step("an id made by the server", () => posts.create({ title: "Three" }));
  await refused("the same id again", 400, () => posts.create({ id, title: "Again" }));
  await refused("a required field missing", 400, () => posts.create({ views: 1 }));
  await refused("fields out of bounds", 400, () => posts.create({ title: "x".repeat(101), views: -1, status: "odd",
    site: "no url", contact: "no mail", tags: ["red", "yellow"], slug: "No Slug", topics: ["nothing00000001"] }));

  await step("update", () => posts.update(id, { title: "Mine again", featured: false, published: "" }));
  await step("add to a number", () => posts.update(id, { "views+": 10 }));
  await step("take from a number", () => posts.update(id, { "views-": 3 }));
  await step("append to a select", () => posts.update(id, { "tags+": ["green", "blue"] }));
  await step("prepend to a select", () => posts.update(id, { "+tags": "black" }));
  await step("remove from a select", () => posts.update(id, { "tags-": ["red"] }));
  await step("append a relation", () => posts.update(id, { "topics+": ["topic0000000003", "topic0000000002"] }));
  await step("prepend a relation", () => posts.update(id, { "+topics": "topic0000000004" }));
  await step("remove a relation", () => posts.update(id, { "topics-": "topic0000000001" }, { expand: "topics" }));
  await step("a form instead of JSON", () => {
    const form = new FormData();
    form.set("title", "By form");
    form.append("tags", "red");
    form.append("tags", "blue");
    form.set("meta", '{"form":true}');
    return posts.update(id, form);
  });
  await refused("an id cannot change", 400, () => posts.update(id, { id: "otherpost000001" }));
  await refused("update nothing", 404, () => posts.update("nothing00000001", { title: "x" }));
  await step("delete", () => posts.delete(id));
  await refused("read it no more", 404, () => posts.getOne(id));
  await refused("delete it again", 404, () => posts.delete(id));

  await step("delete with cascade", () => posts.delete("post00000000003"));
  await step("its comments are gone", () => pb.collection("comments").getList(1, 50, { filter: "post = 'post00000000003'" }));
  await step("so is its row in the view", () => pb.collection("post_stats").getFullList({ sort: "title" }));

  await refused("guests write no comments", 400, () => pb.collection("comments").create({ text: "x", post: "post00000000001" }));
  const ben = await signedIn("ben");
  const comments = ben.collection("comments");
  await step("a comment of one's own", () => comments.create({ id: "mycomment000001", text: "Mine",
    post: "post00000000001", author: "user00000000002" }, { expand: "post,author" }));
  await refused("in another's name", 400, () => comments.create({ text: "x", post: "post00000000001", author: "user00000000001" }));
  await step("change it", () => comments.update("mycomment000001", { text: "Changed" }));
  await refused("change another's", 404, () => comments.update("comment00000002", { text: "x" }));
  await step("take it back", () => comments.delete("mycomment000001"));
  await refused("a reader edits nothing", 400, () => ben.collection("guarded").create({ name: "x" }));
  await refused("nobody deletes there", 403, () => ben.collection("guarded").delete("guarded00000001"));
  const ada = await signedIn("ada");
  await step("an editor does", () => ada.collection("guarded").create({ id: "myguarded000001", name: "New", level: 9 }));
  await step("and updates", () => ada.collection("guarded").update("guarded00000002", { level: 20 }));
  await step("a diary", () => ada.collection("diaries").create({ id: "mydiary00000001", entry: "Dear", owner: "user00000000001" }));
  await refused("given away", 404, () => ada.collection("diaries").update("diary0000000001", { owner: "user00000000003" }));

  await refused("views take no writes", 400, () => pb.collection("post_stats").create({ title: "x" }));
  await refused("a hook refuses", 400, () => pb.collection("hooked").create({ name: "forbidden" }));
  await refused("a hook refuses after the commit", 400,
    () => pb.collection("hooked").create({ id: "myhooked0000001", name: "stored anyway" }));
  await step("and the row is there", () => pb.collection("hooked").getOne("myhooked0000001"));

  await step("an account goes with all its own", () => ada.collection("users").delete("user00000000001"));
  await refused("its token is worth nothing", 401, () => ada.collection("users").authRefresh());
  const admin = await superuser();
  await step("its diaries went along", () => admin.collection("diaries").getFullList({ sort: "id" }));
  await step("its comments stay without author", () => admin.collection("comments").getFullList({ sort: "id", filter: "author = ''" }));
  await step("no such user", () => admin.collection("users").getList(1, 5, { filter: "id = 'user00000000001'" }));
});
