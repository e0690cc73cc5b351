// Shows the page anew when gtwistd says that a file has changed.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.gtwistdLive) return;
  window.gtwistdLive = true;

  const stream = new URL("live", script.src);
  let since = new URL(script.src).searchParams.get("since");
  let source = null;

  function listen() {
    if (source || document.hidden) return;
    stream.searchParams.set("since", since);
    source = new EventSource(stream);
    source.onmessage = (event) => {
      since = event.lastEventId;
      if (event.data !== "styles" || !restyle()) reload();
    };
    source.onerror = () => {
      // Of a lost connection the browser takes care itself, of an error in the answer it does not.
      if (!source || source.readyState !== EventSource.CLOSED) return;
      hush();
      setTimeout(listen, 2000);
    };
  }

  function hush() {
    if (source) source.close();
    source = null;
  }

  // A page that is hidden holds no connection: with HTTP/1.1 a browser has six for a site, whatever the number of tabs.
  document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));

  // The style sheets of this site are replaced where they are. False means that there are none.
  function restyle() {
    const links = [...document.querySelectorAll('link[rel~="stylesheet"][href]')]
      .filter((link) => link.href && new URL(link.href).origin === location.origin);
    for (const link of links) {
      const fresh = link.cloneNode();
      const href = new URL(link.href);
      href.searchParams.set("gtwistd-live", since);
      fresh.href = href;
      fresh.onload = fresh.onerror = () => link.remove();
      link.after(fresh);
    }
    return links.length > 0;
  }

  // While a site is built its pages may be away, and what comes instead would never hear of their return.
  async function reload() {
    const options = { method: "HEAD", cache: "no-store", headers: { Accept: "text/html" } };
    const answer = await fetch(location.href, options).catch(() => null);
    if (!answer) return;
    const page = (answer.headers.get("Content-Type") || "").startsWith("text/html");
    if (page || answer.status === 405 || answer.status === 501) setTimeout(() => location.reload(), patience());
  }

  // A page that changes files whenever it is loaded would load for ever: after ten times in ten seconds it has to wait.
  function patience() {
    const key = "gtwistd-live";
    try {
      const now = Date.now();
      const times = JSON.parse(sessionStorage.getItem(key) || "[]").filter((time) => now - time < 10000);
      sessionStorage.setItem(key, JSON.stringify([...times, now]));
      if (times.length < 10) return 0;
    } catch {
      return 0; // no storage here
    }
    console.warn("gtwistd --live: files change all the time");
    return 5000;
  }

  listen();
})();
