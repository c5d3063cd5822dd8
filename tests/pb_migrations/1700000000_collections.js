/// Collections every integration test uses: each kind of rule, field and relation once.
/// Ids are given, so that relations can name them and tests can ask by id.
migrate((app) => {
  const text = (name, more = {}) => ({ name, type: "text", ...more });
  const relation = (name, collectionId, more = {}) => ({ name, type: "relation", collectionId, maxSelect: 1, ...more });
  const dates = [
    { name: "created", type: "autodate", onCreate: true },
    { name: "updated", type: "autodate", onCreate: true, onUpdate: true },
  ];
  const open = { listRule: "", viewRule: "", createRule: "", updateRule: "", deleteRule: "" };
  const signedIn = '@request.auth.id != ""';
  const everyRule = (rule) => ({ listRule: rule, viewRule: rule, createRule: rule, updateRule: rule, deleteRule: rule });
  const USERS = "_pb_users_auth_", POSTS = "pbc_posts000001", TOPICS = "pbc_topics00001";

  // users: password and OTP, no MFA, no alert mails. The collection exists in every new PocketBase.
  const users = app.findCollectionByNameOrId(USERS);
  users.listRule = "";
  users.viewRule = "";
  users.createRule = "";
  users.updateRule = "id = @request.auth.id";
  users.deleteRule = "id = @request.auth.id";
  users.otp.enabled = true;
  users.authAlert.enabled = false;
  users.fields.add(new SelectField({ name: "role", values: ["reader", "editor"], maxSelect: 1 }));
  app.save(users);

  app.importCollections([
    // A second auth collection: signs in by username, alert mails on, managed by its own bosses.
    {
      id: "pbc_staff000001", name: "staff", type: "auth",
      listRule: signedIn, viewRule: signedIn, createRule: null, updateRule: "id = @request.auth.id", deleteRule: null,
      manageRule: '@request.auth.collectionName = "staff" && @request.auth.boss = true',
      fields: [text("username", { required: true }), { name: "boss", type: "bool" }, ...dates],
      indexes: ["CREATE UNIQUE INDEX `idx_staff_username` ON `staff` (`username`)"],
      passwordAuth: { enabled: true, identityFields: ["username", "email"] },
      authAlert: { enabled: true },
    },
    // A third one: needs two factors.
    {
      id: "pbc_members0001", name: "members", type: "auth",
      listRule: signedIn, viewRule: signedIn, createRule: "", updateRule: null, deleteRule: null,
      fields: [...dates],
      passwordAuth: { enabled: true, identityFields: ["email"] },
      otp: { enabled: true }, mfa: { enabled: true }, authAlert: { enabled: false },
    },
    { id: TOPICS, name: "topics", type: "base", listRule: "", viewRule: "", fields: [text("name", { required: true })] },
    // posts: open to everybody, and every kind of field.
    {
      id: POSTS, name: "posts", type: "base", ...open,
      fields: [
        text("title", { required: true, max: 100, presentable: true }),
        text("slug", { pattern: "^[a-z0-9-]*$", autogeneratePattern: "[a-z0-9]{15}" }),
        { name: "body", type: "editor" },
        { name: "views", type: "number", onlyInt: true, min: 0 },
        { name: "rating", type: "number" },
        { name: "status", type: "select", values: ["draft", "published", "archived"], maxSelect: 1 },
        { name: "tags", type: "select", values: ["red", "green", "blue", "black"], maxSelect: 4 },
        { name: "published", type: "date" },
        { name: "featured", type: "bool" },
        { name: "meta", type: "json" },
        { name: "site", type: "url" },
        { name: "contact", type: "email" },
        { name: "place", type: "geoPoint" },
        text("internal", { hidden: true }),
        relation("author", USERS),
        relation("topics", TOPICS, { maxSelect: 5 }),
        ...dates,
      ],
    },
    // comments: go with their post; written by whoever is signed in, as himself.
    {
      id: "pbc_comments001", name: "comments", type: "base", listRule: "", viewRule: "",
      createRule: signedIn + " && author = @request.auth.id",
      updateRule: "author = @request.auth.id", deleteRule: "author = @request.auth.id",
      fields: [
        text("text", { required: true }),
        relation("post", POSTS, { required: true, cascadeDelete: true }),
        relation("author", USERS),
        ...dates,
      ],
    },
    // guarded: for those signed in; only editors write.
    {
      id: "pbc_guarded0001", name: "guarded", type: "base", listRule: signedIn, viewRule: signedIn,
      createRule: '@request.auth.role = "editor"', updateRule: '@request.auth.role = "editor"', deleteRule: null,
      fields: [text("name", { required: true }), { name: "level", type: "number" }, ...dates],
    },
    // diaries: each row its owner's alone.
    {
      id: "pbc_diaries0001", name: "diaries", type: "base", ...everyRule("owner = @request.auth.id"),
      fields: [text("entry"), relation("owner", USERS, { required: true, cascadeDelete: true }), ...dates],
    },
    // closed: superusers only.
    { id: "pbc_closed00001", name: "closed", type: "base", ...everyRule(null), fields: [text("name"), ...dates] },
    // keyed: rules that read a header, a query parameter and the method.
    {
      id: "pbc_keyed000001", name: "keyed", type: "base",
      listRule: '@request.headers.x_club = "blue"', viewRule: '@request.query.key = "open"',
      createRule: '@request.method = "POST"', updateRule: null, deleteRule: null,
      fields: [text("name")],
    },
    // documents: files, with and without protection.
    {
      id: "pbc_documents01", name: "documents", type: "base", listRule: "",
      viewRule: "public = true || owner = @request.auth.id", createRule: "", updateRule: "", deleteRule: "",
      fields: [
        text("name"),
        { name: "public", type: "bool" },
        relation("owner", USERS),
        { name: "cover", type: "file", maxSelect: 1, maxSize: 1048576, thumbs: ["50x50", "0x40", "80x30f"], mimeTypes: ["image/png"] },
        { name: "attachments", type: "file", maxSelect: 5, maxSize: 1048576 },
        { name: "contract", type: "file", maxSelect: 1, maxSize: 1048576, protected: true },
        ...dates,
      ],
    },
    // hooked: shaped by pb_hooks (see there).
    { id: "pbc_hooked00001", name: "hooked", type: "base", ...open, fields: [text("name"), text("note"), ...dates] },
    // counters: what custom routes write, to see how often they ran.
    { id: "pbc_counters001", name: "counters", type: "base", listRule: "", viewRule: "", fields: [text("name"), { name: "count", type: "number" }] },
    {
      id: "pbc_stats000001", name: "post_stats", type: "view", listRule: "", viewRule: "",
      viewQuery: "SELECT p.id, p.title, p.author, COUNT(c.id) AS comments FROM posts p LEFT JOIN comments c ON c.post = p.id GROUP BY p.id",
      fields: [],
    },
  ], false);
}, (app) => {});
