// The browser tracker: sends Segment-spec batches to the collector that serves it. No dependencies, no build.
// Browsers get this file squeezed to at most 3 KB gzipped; the rules that make it possible are in __init__.py.
//
//   <script>window.keystoneData = window.keystoneData || []</script>
//   <script async src="https://collect.example/v1/js/tracker.js" data-write-key="…"></script>
//   <script>keystoneData.push(["track", "Signed Up", {plan: "pro"}])</script>
//
// data-write-key  names the source
// data-endpoint   if events go elsewhere than to where the script comes from
// data-global     if the page's array is not keystoneData
// data-consent    "required": nothing is stored or sent until consent(true)
// data-pages      "manual": no page views but by page()
// data-domain     of the cookie, when sub-domains share it
(() => {
  const element = document.currentScript || document.querySelector("script[data-write-key]");
  const settings = element.dataset;
  const destination = (settings.endpoint || element.src.replace(/(\/v1)?\/js\/[^/]*$/, "")) + "/v1/batch";
  const tracker = window[settings.global || "keystoneData"] ||= [];
  if (tracker.version) return;
  tracker.version = "1.0";

  const HOUR = 36e5;
  const LONGEST_WAIT = 3e4;
  const LEASE = 12e4;
  // Requests that outlive their page may carry 64 KiB, all together.
  const CARRIED = 6e4;

  const clock = () => Date.now();
  const iso = () => new Date().toISOString();
  const toText = value => JSON.stringify(value);
  const fromText = text => JSON.parse(text || "{}");
  const unique = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), part => part.toString(36)).join("-");
  // A tracker never breaks its page.
  const guarded = action => (...given) => {
    try {
      return action(...given);
    } catch (error) {
      console.warn(error);
    }
  };
  const listen = (event, action) => addEventListener(event, guarded(action));

  // ---- What the browser remembers. Where storage is forbidden, for as long as the page lives.
  let store = {};
  guarded(() => store = localStorage)();
  const own = "mr_queue_" + unique();
  const keep = guarded((key, value) => store[key] = value);
  const setCookie = (value, age) => {
    document.cookie = `anonymous_id=${value};path=/;samesite=lax;max-age=${age};domain=${settings.domain || ""}`
      + (location.protocol == "https:" ? ";secure" : "");
  };
  // The cookie goes first, because sub-domains may share it.
  const visitor = () => {
    const id = /\banonymous_id=([^;]+)/.exec(document.cookie)?.[1] || store.anonymous_id || unique();
    keep("anonymous_id", id);
    setCookie(id, 31536e3);
    return id;
  };
  const forget = pattern => {
    setCookie("", 0);
    Object.keys(store).forEach(key => pattern.test(key) && delete store[key]);
  };
  const forgetPerson = () => forget(/^(anonymous_id|mr_user|mr_campaign)$/);

  // ---- Consent. What the browser itself signals can't be overruled. Calls made before a decision are held in memory.
  const optedOut = navigator.globalPrivacyControl || navigator.doNotTrack == 1;
  const mustAsk = settings.consent == "required";
  let denied = optedOut;
  let held = [];
  const granted = () => !optedOut && (store.mr_consent ? store.mr_consent != "0" : !mustAsk);
  const allowed = () => !denied && granted();
  const withdraw = () => {
    queue = [];
    forget(/^(anonymous_id|mr_(?!consent).*)$/);
  };
  const decided = () => {
    denied = !granted();
    const before = held.splice(0);
    if (denied) return withdraw();
    before.forEach(call => run(...call));
    schedule();
  };
  const decide = (word, purposes) => {
    if (optedOut) return;
    delete store.mr_consent;
    if (word === true) keep("mr_consent", toText(purposes ? { consent: { categoryPreferences: purposes } } : 1));
    else if (!mustAsk) keep("mr_consent", "0");
    decided();
  };

  // ---- Where and when: read when a call is made, not when it is sent.
  let previous = document.referrer;
  let landed;
  // A fragment that is no route is nobody's business: it may hold a token.
  const address = () => location.href.replace(/#(?![/!]).*/, "");
  const moment = () => ({
    timestamp: iso(),
    page: {
      url: address(),
      path: location.pathname,
      search: location.search,
      title: document.title,
      referrer: previous,
    },
  });
  // `campaign` is what this page's URL is tagged with, `lastCampaign` the last tags of 30 days: a direct visit stays one.
  const campaigns = ({ timestamp, page }) => {
    let campaign;
    new URLSearchParams(page.search).forEach((value, key) => {
      const tag = key.match(/^utm_(.+)|(clk?id|braid|li_fat_id|rdt_cid|epik)$/i);
      if (tag) campaign = { ...campaign, [key == "utm_campaign" ? "name" : tag[1] || key]: value };
    });
    if (campaign && landed != page.url) keep("mr_campaign", toText({ ...campaign, timestamp }));
    landed = page.url;
    const last = fromText(store.mr_campaign);
    return { campaign, lastCampaign: clock() - Date.parse(last.timestamp) < 720 * HOUR ? last : undefined };
  };

  // ---- The calls. Each gets its moment, then what the page passed.
  const send = (at, type, fields, extra) => {
    const message = fromText(toText({
      type,
      messageId: unique(),
      timestamp: at.timestamp,
      anonymousId: visitor(),
      userId: store.mr_user,
      ...fields,
      ...extra,
      context: {
        page: at.page,
        ...campaigns(at),
        ...fromText(store.mr_consent),
        locale: navigator.language,
        timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        library: { name: "millrace.js", version: tracker.version },
        ...extra?.context,
      },
    }));
    queue.push(message);
    save();
    schedule();
    return message;
  };
  const named = event => (at, properties, extra) => send(at, "track", { event, properties }, extra);
  const calls = {
    track: (at, event, ...given) => named(event)(at, ...given),
    viewedProduct: named("Product Viewed"),
    addedToCart: named("Product Added"),
    placedOrder: named("Order Completed"),
    identify(at, ...given) {
      const id = Object(given[0]) === given[0] ? 0 : given.shift();
      if (id) {
        // Another person on this browser is another visitor.
        if (store.mr_user && store.mr_user != id) forgetPerson();
        keep("mr_user", "" + id);
      }
      send(at, "identify", { traits: given[0] }, given[1]);
    },
    page(at, ...given) {
      const words = given.filter(each => typeof each == "string");
      const [properties, extra] = given.filter(each => Object(each) === each);
      const name = words.pop(), category = words.pop();
      return send(at, "page", { name, properties: { ...at.page, name, category, ...properties } }, extra);
    },
    group: (at, groupId, traits, extra) => send(at, "group", { groupId, traits }, extra),
    alias: (at, userId, previousId, extra) =>
      send(at, "alias", { userId, previousId: previousId || store.mr_user || visitor() }, extra),
    reset: forgetPerson,
  };
  const run = guarded((method, given, at) => {
    if (allowed()) return calls[method](at, ...given);
    if (!denied && !store.mr_consent) held.push([method, given, at]);
  });

  // ---- The queue of this tab: in storage until the collector has answered for it.
  let queue = [];
  let sending = [];
  let failures = 0;
  let isLeft;
  let timer;
  const save = (events = queue) =>
    events.length ? keep(own, toText([isLeft ? 0 : clock() + LEASE, events])) : delete store[own];
  // A queue whose tab has not renewed its lease, or gave it up, has lost its tab.
  const adopt = guarded(key => {
    if (!key.startsWith("mr_queue_") || key == own) return;
    const [lease, events] = fromText(store[key]);
    const left = lease - clock(), both = [...events, ...queue];
    if (left > 0 && left <= LEASE || !save(both)) return;
    delete store[key];
    queue = both;
  });
  const bytes = text => new Blob([text]).size;
  const portion = events => {
    let sum = 0;
    return events.filter((event, index) => (sum += bytes(toText(event)) + 1) < CARRIED || !index);
  };
  // The key is in the body because a beacon has no headers, and without headers there is no preflight.
  const request = batch => toText({ writeKey: settings.writeKey, sentAt: iso(), batch });
  const paused = () => {
    const left = store.mr_wait - clock();
    return left > 0 && left <= HOUR && left;
  };
  // A beacon has no answer, so its events stay in the queue, for the next page to make sure.
  const leave = () => {
    const rest = portion(queue.filter(each => !sending.includes(each)));
    if (rest.length && !paused()) navigator.sendBeacon(destination, request(rest));
    sending = [...queue];
  };
  const schedule = (delay = 150) => {
    if (isLeft) leave();
    else if (!sending.length) timer ||= setTimeout(flush, delay);
  };
  // Has the collector taken it, or refused it for good?
  const post = async body => {
    try {
      const { status, headers } = await fetch(destination, {
        method: "POST",
        body,
        keepalive: bytes(body) < CARRIED + 1e3,
        redirect: "error",
        signal: AbortSignal.timeout?.(LONGEST_WAIT),
      });
      if (/^(2|4(?!08|29))/.test(status)) return true;
      const after = headers.get("retry-after");
      const wait = after > 0 ? after * 1e3 : Date.parse(after) - clock();
      if (wait > 0 && allowed()) keep("mr_wait", clock() + Math.min(wait + Math.random() * 1e3, HOUR));
    } catch {}
  };
  const flush = async () => {
    timer = clearTimeout(timer);
    if (isLeft || sending.length || untitled || !allowed()) return;
    Object.keys(store).forEach(adopt);
    if (!queue.length) return;
    save();
    if (!paused()) {
      const batch = sending = portion(queue);
      failures++;
      if (await post(request(batch))) {
        failures = 0;
        queue = queue.filter(each => !batch.includes(each));
        save();
      }
      sending = [];
    }
    if (queue.length) schedule(Math.min(LONGEST_WAIT, paused() || failures && 2 ** failures * (250 + Math.random() * 250)));
  };

  // ---- Page views: the address is read at once, only the title may come late.
  let current;
  let untitled;
  let titling;
  const settle = () => {
    clearTimeout(titling);
    if (!untitled) return;
    untitled.forEach(page => page.title = document.title);
    untitled = 0;
    save();
    schedule();
  };
  const view = () => {
    if (settings.pages == "manual") return;
    settle();
    const at = moment();
    const message = run("page", [], at);
    untitled = message ? [message.properties, message.context.page] : [at.page];
    titling = setTimeout(settle, 100);
  };
  const moved = () => {
    if (address() == current) return;
    previous = current;
    current = address();
    view();
  };

  const start = () => {
    const waiting = tracker.splice(0);
    for (const method in calls) tracker[method] = guarded((...given) => void run(method, fromText(toText(given)), moment()));
    tracker.consent = guarded(decide);
    tracker.push = guarded(([method, ...given]) => tracker[method](...given));
    current = address();
    if (!allowed()) withdraw();
    waiting.forEach(call => tracker.push(call));
    if (!waiting.some(call => call[0] == "page")) view();
    schedule();

    for (const method of ["pushState", "replaceState"]) {
      const original = history[method];
      history[method] = (...given) => {
        original.apply(history, given);
        guarded(moved)();
      };
    }
    listen("popstate", moved);
    listen("online", () => {
      failures = 0;
      flush();
    });
    listen("storage", ({ key }) => {
      if (!key || key == "mr_consent") decided();
    });
    listen("visibilitychange", () => {
      settle();
      if (document.hidden && !failures) flush();
    });
    listen("pagehide", () => {
      isLeft = true;
      settle();
      save();
      leave();
    });
    // Back from the browser's page cache: another page may have taken the queue over.
    listen("pageshow", ({ persisted }) => {
      if (!persisted) return;
      isLeft = false;
      sending = [];
      queue = fromText(store[own] || "[0,[]]")[1];
      view();
      schedule();
    });
  };
  // A page that is only prepared may never be seen.
  if (document.prerendering) document.addEventListener("prerenderingchange", guarded(start));
  else guarded(start)();
})();
