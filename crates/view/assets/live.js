// Keeps the page as its engine sees things: exchanges what changed, and says loudly when it no longer hears of its engine.
// It makes no markup of its own: what is put in was made and escaped by the engine.
"use strict";
(() => {
  const POLL_MS = 5000; // how often it asks where there is no stream
  const STALE_MS = 8000; // nothing new for this long: what is shown is old
  const RETRY_MS = [500, 1000, 2000, 5000]; // before it asks for the stream again
  const HIDDEN_MS = 60000; // a page that nobody looks at for this long asks for nothing
  const freshness = document.getElementById("freshness");
  const lost = document.getElementById("lost");
  const ofFleet = /\/fleet$/.test(location.pathname);
  let socket = null, tries = 0, heard = performance.now(), why = "", polling = false, sleeping = 0;

  const here = (path) => new URL(path, document.baseURI);

  // What an element is known by among its siblings.
  const key = (node) => node.nodeType === 1 ? node.id || node.dataset.key || "" : "";
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);

  // Makes `old` like `fresh` and leaves alone what is alike: focus, selection, what was typed and what was opened stay.
  function exchange(old, fresh) {
    if (old.nodeType !== 1) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    // A place for what a page has already: only the figures of now are new in it.
    if (fresh.hasAttribute("data-same") && !old.hasAttribute("data-same")) {
      const shown = new Map([...old.querySelectorAll("[data-now]")].map((node) => [node.dataset.now, node]));
      for (const now of fresh.querySelectorAll("[data-now]")) {
        const node = shown.get(now.dataset.now);
        if (node) exchange(node, now);
      }
      return;
    }
    // What came of an order that was undone since.
    const undone = old.hasAttribute("data-stopped") && !fresh.hasAttribute("data-stopped");
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    if (old.classList.contains("outcome")) {
      if (undone) old.replaceChildren();
      return;
    }
    let at = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      let found = at;
      while (found && !alike(found, wanted)) found = key(wanted) ? found.nextSibling : null;
      if (found) {
        while (at !== found) {
          // Only what has a place of its own further on, or is gone, lies between.
          const next = at.nextSibling;
          at.remove();
          at = next;
        }
        at = found.nextSibling;
        exchange(found, wanted);
      } else {
        old.insertBefore(document.importNode(wanted, true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("live");
    const old = document.getElementById("live");
    if (!fresh || !old) return false;
    exchange(old, fresh);
    document.title = fresh.dataset.title;
    const time = freshness.querySelector("time");
    time.dateTime = time.textContent = fresh.dataset.made;
    heard = performance.now();
    why = "";
    judge();
    // A page that has none of what it was to keep asks for the whole.
    if (old.querySelector("[data-same]")) poll();
    return true;
  }

  // Says whether what is shown is how things stand.
  function judge() {
    const fresh = performance.now() - heard < STALE_MS && !why;
    const text = fresh ? "" : "Disconnected. " + (why || "Nothing was heard for some time.")
      + " What is shown is as of " + freshness.querySelector("time").textContent + ".";
    if (fresh === lost.hidden && text === lost.textContent) return;
    document.body.classList.toggle("lost", !fresh);
    lost.hidden = fresh;
    lost.textContent = text;
  }

  // The engine is there and shows nothing now: says why. A stream that it closes so is asked after here, too.
  function refused(error) {
    why = error.charAt(0).toUpperCase() + error.slice(1) + ".";
    judge();
  }

  async function poll() {
    if (polling || document.hidden) return;
    polling = true;
    try {
      // Asked for as a person would ask, so that who is no longer logged in is led to where that is done.
      const answer = await fetch(location.href, {
        cache: "no-store", headers: { accept: "text/html" }, signal: AbortSignal.timeout(POLL_MS),
      });
      if (answer.redirected && answer.url === here("login").href) return location.assign(answer.url);
      if (answer.status === 401) {
        return refused("this page is let in no more: load it anew");
      }
      const text = await answer.text();
      if (!show(text)) refused(JSON.parse(text).error);
    } catch {
      if (performance.now() - heard >= STALE_MS) why = "The engine cannot be reached; this page keeps trying.";
      judge();
    } finally {
      polling = false;
    }
  }

  function listen() {
    if (socket || document.hidden) return;
    const url = here("ws?view=page");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const mine = socket = new WebSocket(url);
    mine.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      if (said.type === "metrics_update" && said.page) {
        tries = 0;
        show(said.page);
      } else if (said.type === "ping" && performance.now() - heard >= STALE_MS) {
        why = "The engine's process is there but does not answer.";
        judge();
      }
    };
    mine.onclose = () => {
      if (socket !== mine) return;
      socket = null;
      poll();
      setTimeout(listen, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
    };
  }

  setInterval(() => {
    if ((ofFleet || !socket || socket.readyState !== WebSocket.OPEN) && !sleeping) poll();
    judge();
  }, POLL_MS);
  setInterval(judge, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(sleeping);
    sleeping = 0;
    if (document.hidden) {
      sleeping = setTimeout(() => {
        const gone = socket;
        socket = null;
        if (gone) gone.close();
      }, HIDDEN_MS);
    } else {
      poll();
      if (!ofFleet) listen();
    }
  });

  // What is between backticks is to be typed, and set so, as the engine's own pages do.
  function say(place, words) {
    const pieces = words.split("`");
    if (pieces.length % 2 === 0) return place.replaceChildren(words);
    place.replaceChildren(...pieces.map((piece, index) => {
      if (index % 2 === 0) return piece;
      const code = document.createElement("code");
      code.textContent = piece;
      return code;
    }));
  }

  // Controls: only on a page that was served with them.
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    // Where what is done takes the form away, what came of it stands beside it.
    const outcome = (form.closest(".controls") || form).querySelector(".outcome");
    const fields = form.elements;
    if (form.dataset.confirm !== undefined && fields.confirm.value.trim() !== form.dataset.confirm) {
      return say(outcome, "Nothing was done: the name typed is not " + form.dataset.confirm + ".");
    }
    const order = form.dataset.id !== undefined ? { id: form.dataset.id } : { reason: fields.reason.value };
    say(outcome, "Asking…");
    try {
      const answer = await fetch(here(form.dataset.action), {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order),
      });
      const said = await answer.json();
      say(outcome, answer.ok ? "Done." : [said.error, ...(said.refusals || [])].join(" "));
      if (answer.ok && form.dataset.confirm !== undefined) form.reset();
    } catch {
      say(outcome, "No answer: whether it was done is not known. Ask `failstop status` on the host.");
    }
  });

  if (!ofFleet) listen();
})();
