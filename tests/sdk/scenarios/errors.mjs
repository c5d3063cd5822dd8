// Errors as the SDK shows them, from every corner.
import { client, refused, scenario, signedIn, step } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const post = (path, options) => pb.send(path, { method: "POST", ...options });

  await refused("400 of a body that is no JSON", 400, () => post("/api/collections/posts/records",
    { body: "{no json", headers: { "Content-Type": "application/json" } }));
  await refused("400 of a body of no known kind", 400, () => post("/api/collections/posts/records",
    { body: "title=x", headers: { "Content-Type": "text/plain" } }));
  await refused("400 with details per field", 400, () => pb.collection("users").create({ email: "no mail", password: "x" }));
  await refused("400 of a page", 400, () => pb.collection("posts").getList(1, 5, { filter: "(" }));
  await refused("401 of an own action", 401, () => pb.files.getToken());
  await refused("403 of a closed collection", 403, () => pb.collection("closed").getOne("closed000000001"));
  await refused("403 of a closed rule", 403, () => pb.collection("topics").create({ name: "x" }));
  await refused("403 of a superuser's filter", 403, () => pb.collection("posts").getList(1, 5, { filter: "@collection.users.id != ''" }));
  await refused("404 of a record", 404, () => pb.collection("posts").getOne("nothing00000001"));
  await refused("404 of a collection", 404, () => pb.collection("nothing").getList());
  await refused("404 of a route", 404, () => post("/api/nothing/at/all", {}));
  await refused("404 of a trailing slash", 404, () => post("/api/collections/posts/records/", { body: { title: "x" } }));
  await refused("404 of a method", 404, () => pb.send("/api/collections/posts/records", { method: "PUT" }));
  await refused("418 of a custom route", 418, () => pb.send("/api/custom/fails", {}));

  const above = (mebibytes) => "x".repeat(mebibytes * 1024 * 1024 + 32 * 1024);
  await refused("413 of a login", 413, () => pb.collection("users").authWithPassword("a", above(32)));
  await refused("413 of a record", 413, () => pb.collection("topics").create({ name: above(32) }));
  await refused("400 of a large one", 400, () => pb.collection("posts").create({ title: above(20) }));
  await refused("413 of an upload", 413, async () => {
    const upload = () => pb.collection("documents").create({ attachments: [new File([above(39)], "huge.txt")] });
    // PocketBase answers before it has read all and closes: a client still busy sending may lose the answer, rarely
    return upload().catch((error) => (error.status === 0 ? upload() : Promise.reject(error)));
  });
  await step("and the next request is fine", () => pb.collection("posts").getOne("post00000000001"));

  const ben = await signedIn("ben");
  await refused("400 of a rule on create", 400, () => ben.collection("guarded").create({ name: "x" }));
  await refused("404 of a rule on update", 404, () => ben.collection("users").update("user00000000001", { name: "x" }));
  await refused("400 of a wrong old password", 400, () => ben.collection("users").update("user00000000002",
    { oldPassword: "wrong", password: "long-enough-1", passwordConfirm: "long-enough-1" }));
  await refused("400 of another's address", 400, () => ben.collection("users").update("user00000000002", { email: "x@example.com" }));
});
