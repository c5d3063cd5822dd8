// Reading records: lists, pages, filters, sorts, expands, projections, as guest and as user.
import { client, refused, scenario, signedIn, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const posts = pb.collection("posts");

  await step("first page", () => posts.getList());
  await step("second page of seven", () => posts.getList(2, 7, { sort: "-views,title" }));
  await step("past the last page", () => posts.getList(99, 10, { sort: "id" }));
  await step("without total", () => posts.getList(1, 3, { skipTotal: true, sort: "id" }));
  await step("all", () => posts.getFullList({ sort: "id" }));
  await step("all, in batches", () => posts.getFullList({ batch: 7, sort: "-id", fields: "id,title" }));
  await step("by id", () => posts.getOne("post00000000007"));
  await step("by collection id", () => pb.collection("pbc_posts000001").getOne("post00000000007"));
  await step("first by filter", () => posts.getFirstListItem('slug = "post-12"'));
  await refused("no first", 404, () => posts.getFirstListItem('slug = "none"'));
  await refused("no such id", 404, () => posts.getOne("post00000000999"));
  await refused("empty id", 404, () => posts.getOne(""));

  for (const filter of ['status = "published" && views > 40', 'title ~ "red" || featured = true', "tags ?= 'blue'",
    "published >= '2024-06-01 00:00:00'", "tags:length = 2", "author.name = 'Ada'", "comments_via_post.text ?~ '1'",
    "place.lat < -1", "geoDistance(place.lon, place.lat, 1, -0.5) < 60", "meta.nested.list ?~ 'two'", "body ~ '%<b>3%'",
    "created <= @now && rating != 0", "(((views = 37)))", "title ~ '“'", "featured != true && (views < 10 || views > 90)"]) {
    await step(`filter ${filter}`, () => posts.getList(1, 50, { filter, sort: "id", fields: "id" }));
  }
  for (const filter of ["title =", "nothing = 1", "views > 'x' &&", "internal = 'x'", "@request.auth.id != ''"]) {
    const status = filter.startsWith("@") ? 403 : 400;
    await refused(`filter ${filter}`, status, () => posts.getList(1, 5, { filter }));
  }
  await step("an escaped filter", () => posts.getList(1, 5, { sort: "id",
    filter: pb.filter("title ~ {:title} && views >= {:views} && published < {:day} && featured = {:is}",
      { title: "“red” things & more", views: 3, day: new Date("2024-08-01T00:00:00Z"), is: false }) }));
  await step("hostile input, escaped", () => posts.getList(1, 5, {
    filter: pb.filter("title = {:t}", { t: "' || id != '' || title = '" }) }));

  for (const sort of ["title", "-published,id", "status,-views,id", "author.name,id", "-@rowid", "+rating"]) {
    await step(`sort ${sort}`, () => posts.getList(1, 10, { sort, fields: "id" }));
  }
  await refused("sort by nothing known", 400, () => posts.getList(1, 5, { sort: "nothing" }));

  await step("expand one and many", () => posts.getOne("post00000000009", { expand: "author,topics" }));
  await step("expand back", () => posts.getOne("post00000000002", { expand: "comments_via_post.author" }));
  await step("expand in a list", () => posts.getList(1, 6, { sort: "id", expand: "author,topics,comments_via_post" }));
  await step("expand what is no relation", () => posts.getOne("post00000000002", { expand: "title,nothing.at.all" }));
  await step("project", () => posts.getList(1, 5, { sort: "id", fields: "id,title,expand.author.name", expand: "author" }));
  await step("project an excerpt", () => posts.getList(1, 5, { sort: "id", fields: "id,body:excerpt(20,true)" }));
  await step("project everything but", () => posts.getOne("post00000000001", { fields: "*,collectionName" }));

  await step("a view", () => pb.collection("post_stats").getFullList({ sort: "-comments,id" }));
  await step("one of a view", () => pb.collection("post_stats").getOne("post00000000003"));
  await step("shaped by a hook", () => pb.collection("hooked").getFullList({ sort: "id", headers: { "X-Club": "red" } }));
  await step("by a header, none", () => pb.collection("keyed").getList());
  await step("by a header", () => pb.collection("keyed").getList(1, 5, { sort: "id", headers: { "X-Club": "blue" } }));
  await refused("by a query, none", 404, () => pb.collection("keyed").getOne("keyed0000000001"));
  await step("by a query", () => pb.collection("keyed").getOne("keyed0000000001", { key: "open" }));

  const reads = async (who, reader) => {
    for (const name of ["users", "staff", "guarded", "diaries", "comments", "documents"]) {
      await step(`${name} as ${who}`, () => reader.collection(name).getFullList({ sort: "id" }));
    }
    await step(`expand as ${who}`, () => reader.collection("comments").getList(1, 8, { sort: "id", expand: "author" }));
  };
  await reads("guest", pb);
  await refused("closed as guest", 403, () => pb.collection("closed").getList());
  const ben = await signedIn("ben");
  await reads("ben", ben);
  await step("an own diary", () => ben.collection("diaries").getOne("diary0000000001"));
  await refused("another one's diary", 404, () => ben.collection("diaries").getOne("diary0000000002"));
  const admin = await superuser();
  await reads("superuser", admin);
  await step("closed as superuser", () => admin.collection("closed").getFullList({ sort: "id" }));
  await step("hidden fields as superuser", () => admin.collection("posts").getFirstListItem('internal = "not for all 4"'));
});
