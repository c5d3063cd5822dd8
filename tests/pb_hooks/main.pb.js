/// Custom routes and record hooks, as an app's own pb_hooks would have them.

routerAdd("GET", "/api/custom/hello/{name}", (e) => {
  return e.json(200, { message: "Hello " + e.request.pathValue("name"), who: e.auth ? e.auth.id : null });
});

/// What reached PocketBase: ?status= chooses the status of the answer.
for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
  routerAdd(method, "/api/custom/echo", (e) => {
    const seen = {
      method: e.request.method,
      uri: e.request.requestURI,
      host: e.request.host,
      headers: e.request.header, // canonical name -> list of values
      body: e.request.method === "GET" ? "" : toString(e.request.body),
      contentLength: e.request.contentLength,
      transferEncoding: e.request.transferEncoding || [],
      ip: e.realIP(),
      who: e.auth ? e.auth.id : null,
    };
    return e.json(parseInt(e.request.url.query().get("status") || "200"), seen);
  });
}

/// The body as it came, byte for byte, of the type it came with.
routerAdd("POST", "/api/custom/mirror", (e) => {
  return e.stream(200, e.request.header.get("Content-Type") || "application/octet-stream", e.request.body);
});

/// ?chunks= pieces of ?size= bytes, flushed one by one, ?ms= apart; no Content-Length.
routerAdd("GET", "/api/custom/stream", (e) => {
  const query = e.request.url.query();
  const chunks = parseInt(query.get("chunks") || "3");
  const size = parseInt(query.get("size") || "16");
  const pause = parseInt(query.get("ms") || "0");
  e.response.header().set("Content-Type", "text/plain; charset=utf-8");
  e.response.writeHeader(200);
  for (let i = 0; i < chunks; i++) {
    if (i > 0 && pause > 0) sleep(pause);
    e.response.write(String(i % 10).repeat(size - 1) + "\n");
    e.flush();
  }
});

/// Answers after ?ms= milliseconds.
routerAdd("GET", "/api/custom/slow", (e) => {
  sleep(parseInt(e.request.url.query().get("ms") || "500"));
  return e.json(200, { slept: true });
});

/// ?status= and ?to= of a redirect.
routerAdd("GET", "/api/custom/redirect", (e) => {
  const query = e.request.url.query();
  return e.redirect(parseInt(query.get("status") || "302"), query.get("to") || "/page/you");
});

/// Two cookies on one answer, and the ones the request brought.
routerAdd("GET", "/api/custom/cookies", (e) => {
  e.setCookie(new Cookie({ name: "flavour", value: "chocolate", path: "/", httpOnly: true }));
  e.setCookie(new Cookie({ name: "size", value: "large", path: "/api", maxAge: 60 }));
  return e.json(200, { cookie: e.request.header.get("Cookie") });
});

/// ?size= bytes that are no text.
routerAdd("GET", "/api/custom/bytes", (e) => {
  const size = parseInt(e.request.url.query().get("size") || "256");
  return e.blob(200, "application/octet-stream", Array.from({ length: size }, (_, i) => i % 256));
});

/// Validators and caching headers of an app's own.
routerAdd("GET", "/api/custom/etag", (e) => {
  e.response.header().set("ETag", '"v1"');
  e.response.header().set("Cache-Control", "max-age=60");
  if (e.request.header.get("If-None-Match") === '"v1"') {
    return e.noContent(304);
  }
  return e.json(200, { version: 1 });
});

/// 204, 205 or whatever ?code= says, without a body.
routerAdd("GET", "/api/custom/empty", (e) => {
  return e.noContent(parseInt(e.request.url.query().get("code") || "204"));
});

routerAdd("GET", "/api/custom/fails", (e) => {
  throw new ApiError(418, "I'm a teapot.", { pot: new ValidationError("is_teapot", "Short and stout.") });
});

/// Counts its calls in the collection counters; ?ms= delays the answer, not the write.
routerAdd("POST", "/api/custom/count/{name}", (e) => {
  const name = e.request.pathValue("name");
  let count = 0;
  $app.runInTransaction((tx) => {
    let row;
    try {
      row = tx.findFirstRecordByData("counters", "name", name);
    } catch {
      row = new Record(tx.findCollectionByNameOrId("counters"), { name });
    }
    count = row.getInt("count") + 1;
    row.set("count", count);
    tx.save(row);
  });
  sleep(parseInt(e.request.url.query().get("ms") || "0"));
  return e.json(200, { count });
});

/// An auth answer from a custom route: whoever asks as himself gets a new token.
routerAdd("POST", "/api/custom/sign-in", (e) => {
  return $apis.recordAuthResponse(e, e.auth, "custom", { from: "custom" });
}, $apis.requireAuth());

/// Outside of /api, like a server-rendered page.
routerAdd("GET", "/page/{name}", (e) => {
  return e.html(200, "<!doctype html><title>" + e.request.pathValue("name") + "</title>");
});

/// hooked: a name "forbidden" is refused, every answer tells who reads it, the note follows a request header.
onRecordCreateRequest((e) => {
  if (e.record.get("name") === "forbidden") {
    throw new BadRequestError("Not this name.", { name: new ValidationError("forbidden_name", "Choose another one.") });
  }
  e.next();
}, "hooked");

onRecordEnrich((e) => {
  e.record.withCustomData(true);
  e.record.set("readBy", e.requestInfo.auth ? e.requestInfo.auth.id : "guest");
  e.record.set("club", e.requestInfo.headers["x_club"] || "");
  e.next();
}, "hooked");

/// Committed, then refused: the answer is an error, the row is stored.
onRecordAfterCreateSuccess((e) => {
  if (e.record.get("name") === "stored anyway") {
    throw new BadRequestError("Refused after the commit.");
  }
  e.next();
}, "hooked");

/// Ends all tokens of a user: a new password set by an app's own code.
routerAdd("POST", "/api/custom/lock-out/{id}", (e) => {
  const user = $app.findRecordById("users", e.request.pathValue("id"));
  user.setRandomPassword();
  $app.save(user);
  return e.json(200, { locked: user.id });
});

/// An auth token somewhere inside, and a file token beside it.
routerAdd("GET", "/api/custom/wrapped", (e) => {
  return e.json(200, { data: { session: [e.auth.newAuthToken()] }, said: "a.b.c" });
}, $apis.requireAuth());

/// A registration that logs in: X-Sign-In on the creation of a user.
onRecordCreateRequest((e) => {
  if (!e.requestInfo().headers["x_sign_in"]) {
    return e.next();
  }
  $app.save(e.record);
  return e.json(200, { token: e.record.newAuthToken(), record: e.record });
}, "users");

/// A login in another form than PocketBase's: X-Status chooses its status.
onRecordAuthRequest((e) => {
  const status = e.requestInfo().headers["x_status"];
  return status ? e.json(parseInt(status), { token: e.token, record: { id: e.record.id } }) : e.next();
}, "users");

/// An event stream of an app's own, for whoever opened it; ten seconds long.
routerAdd("GET", "/api/custom/events", (e) => {
  e.response.header().set("Content-Type", "text/event-stream");
  for (let i = 0; i < 100; i++) {
    e.response.write("data: " + (e.auth ? e.auth.id : "guest") + "\n\n");
    e.flush();
    sleep(100);
  }
});
