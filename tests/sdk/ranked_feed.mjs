// A ranked feed asked for as any list is, by what the SDK has for lists.
import { refused, scenario, signedIn, step } from "./harness.mjs";

await scenario(async () => {
  const pb = await signedIn("ada");
  const posts = pb.collection("posts");
  const query = { feed: "lively" };

  await step("first page", () => posts.getList(1, 30, { query }));
  await step("second page", () => posts.getList(2, 30, { query }));
  await step("full list", () => posts.getFullList({ batch: 40, query }));
  await step("first item", () => posts.getList(1, 1, { query, expand: "author", fields: "id,expand.author.name" }));
  await step("by its own address", () => pb.send("/api/hapta/feeds/lively", { query: { page: 1, perPage: 5 } }));
  await refused("a feed that is not there", 404, () => posts.getList(1, 30, { query: { feed: "nothing" } }));
});
