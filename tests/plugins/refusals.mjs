// Refusals of hooks as the SDK shows them: the errors an app already handles.
import { baseUrl, client, ClientResponseError, PASSWORD, refused, scenario, step } from "../sdk/harness.mjs";

await scenario(async () => {
  const posts = client().collection("posts");
  const kind = async (action) => {
    const error = await action().catch((thrown) => thrown);
    return { isClientResponseError: error instanceof ClientResponseError, url: error.url.replace(baseUrl, ""),
      code: error.response.data.title?.code, message: error.message };
  };

  await refused("create", 400, () => posts.create({ title: "refuse" }));
  await step("what was thrown", () => kind(() => posts.create({ title: "refuse" })));
  await refused("create with a file", 400, () => posts.create({ title: "refuse", body: new File(["x"], "x.txt") }));
  await refused("update", 400, () => posts.update("post00000000001", { title: "refuse" }));
  await refused("another status", 403, () => posts.create({ title: "go away" }));
  await refused("a guard that crashed", 500, () => posts.create({ title: "crash" }));
  await refused("a batch", 400, () => {
    const batch = client().createBatch();
    batch.collection("posts").create({ title: "fine" });
    batch.collection("posts").create({ title: "refuse" });
    return batch.send();
  });
  await refused("a login", 403, () => client().collection("users").authWithPassword("ben@example.com", PASSWORD));
  await step("and what is fine is fine", async () => (await posts.create({ title: "fine" })).title);
});
