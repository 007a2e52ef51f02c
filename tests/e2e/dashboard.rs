//! The dashboard in a real browser, on a real engine.

use crate::browser::Browser;
use crate::system::{System, signal, until};
use serde_json::json;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;

const HOSTILE: &str = "<img src=x onerror=alert(1)><script>alert(2)</script>";

/// A system on a port that stays the same over restarts, with a bot that says a lot.
fn system() -> (System, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let says = [
        json!({"type": "metric", "name": "daily_pnl", "value": -12.5}),
        json!({"type": "metric", "name": "total_pnl", "value": 1300.25}),
        json!({"type": "metric", "name": "trades_executed", "value": 200}),
        json!({"type": "metric", "name": "trades_succeeded", "value": 190}),
        json!({"type": "part", "name": "websocket", "status": "degraded", "detail": HOSTILE}),
        json!({"type": "part", "name": "wallet_monitor_with_a_name_as_long_as_names_may_be_and_then_some", "status": "healthy"}),
        json!({"type": "queue", "state": "processing", "depth": 4}),
        json!({"type": "error", "kind": "api", "message": HOSTILE}),
    ];
    let says: Vec<String> = says.iter().map(|line| format!("\"send\", {}", json!(line.to_string()))).collect();
    let system = System::new(&format!(
        "[observe]\nlisten = \"127.0.0.1:{port}\"\n\
         [[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ready\", \"beat\", \"200\", \"tick\", \"200\", \"binance\", {}]\norders = \"asks\"\n\
         readiness = {{ notify = true }}\nliveness = {{ heartbeat = \"2m\" }}\nlimits = {{ memory_max = \"300MB\", cpu_max_percent = 50 }}\n\
         [[component]]\nname = \"scanner-with-a-rather-long-name\"\ncommand = [\"BOT\"]\norders = \"none\"\n\
         [[dependency]]\nname = \"kraken\"\ntcp = \"127.0.0.1:{port}\"\n",
        says.join(", ")
    ));
    (system, format!("http://127.0.0.1:{port}"))
}

const WORD: &str = "document.querySelector('.word').innerText.trim().replace(/^\\W+/, '')";

#[test]
fn the_page_follows_its_engine_over_a_halt_and_a_restart() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    let mut browser = Browser::open();
    browser.look(1280, 900, "light");
    browser.go(&format!("{origin}/"));
    browser.wait("active", &format!("{WORD} === 'ACTIVE'"));
    browser.wait("figures", "document.body.innerText.includes('−12.50') && document.body.innerText.includes('95.0 %')");
    // The same document all along.
    browser.eval("window.mark = document.querySelector('.word'); true");

    assert_eq!(system.run("kill-switch engage", &["--reason", HOSTILE]).status.code(), Some(0));
    browser.wait("the kill switch", &format!("{WORD} === 'SHUTDOWN'"));
    assert_eq!(browser.eval("document.querySelector('.word') === window.mark"), true, "exchanged in place");
    assert!(browser.eval("document.title").as_str().unwrap().starts_with("SHUTDOWN · "));
    browser.wait("its reason", "document.querySelector('.halts').innerText.includes('onerror=alert')");
    browser.picture("shutdown");

    system.stop();
    browser.wait("disconnected", "document.body.classList.contains('lost') && document.getElementById('lost').innerText.startsWith('Disconnected')");
    browser.picture("disconnected");
    system.start();
    browser.wait(
        "the next engine",
        "!document.body.classList.contains('lost') && document.querySelector('.bar').innerText.includes('epoch 2')",
    );
    assert_eq!(browser.eval(WORD), "SHUTDOWN", "latched over the restart");
    assert_eq!(browser.eval("document.querySelectorAll('img, #live script').length"), 0);
    browser.did_well(
        &origin,
        &["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "WebSocket connection to"],
    );
    system.stop();
}

#[test]
fn what_needs_a_look_is_on_the_page_and_goes_when_it_is_mended() {
    let (mut system, origin) = system();
    let (path, beside) = (system.path("failstop.toml"), system.path("failstop.toml~"));
    let text = std::fs::read_to_string(&path).unwrap();
    let action =
        "[[emergency.action]]\nname = \"cancel\"\nkind = \"cancel-all\"\ncommand = [\"sh\", \"-c\", \"exit 7\"]\n";
    let write = |text: &str| {
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, &path).unwrap();
    };
    let text = format!("{text}{action}");
    write(&text);
    let broken = text.replace("memory_max = ", "memory_maximum = ");
    assert_ne!(broken, text);
    system.start();
    system.wait_active();
    let mut browser = Browser::open();
    browser.look(360, 740, "light");
    browser.go(&format!("{origin}/"));
    browser.wait("active", &format!("{WORD} === 'ACTIVE'"));
    assert_eq!(browser.eval("document.getElementById('stands')"), serde_json::Value::Null);
    let says = |words: &str| format!("document.getElementById('live').innerText.includes({})", json!(words));

    write(&broken);
    browser.wait("the fault", &says("What the configuration file says is not in force"));
    browser.wait("what to do", &says("failstop config rollback"));
    browser.picture("configuration-fault");
    write(&text);
    browser.wait("the end of it", &format!("!{}", says("is not in force")));

    assert_eq!(system.run("kill-switch engage", &["--reason", "test"]).status.code(), Some(1), "an action failed");
    browser.wait("the action", &says("Emergency actions · kill-switch · 0 done, 1 failed"));
    browser.wait("what to do about it", &says("do by hand what failed"));
    let widths = browser.eval("[document.documentElement.scrollWidth, document.documentElement.clientWidth]");
    assert_eq!(widths[0], widths[1], "it scrolls sideways");
    browser.picture("emergency-failed");
    browser.did_well(&origin, &[]);
    system.stop();
}

#[test]
fn an_engine_that_stands_still_is_no_picture_of_health() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    let mut browser = Browser::open();
    browser.go(&format!("{origin}/"));
    browser.wait("active", &format!("{WORD} === 'ACTIVE'"));
    signal(system.engine_pid(), libc::SIGSTOP);
    browser.wait("disconnected", "document.getElementById('lost').innerText.startsWith('Disconnected')");
    signal(system.engine_pid(), libc::SIGCONT);
    browser.wait("connected", "document.getElementById('lost').hidden");
    system.stop();
}

#[test]
fn without_a_script_everything_is_there_at_the_first_paint() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    wait_figures(&system);
    let mut browser = Browser::open();
    browser.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.go(&format!("{origin}/"));
    let page = format!(
        "{{ word: {WORD}, text: document.body.innerText, charts: document.querySelectorAll('figure svg').length }}"
    );
    let page = browser.eval_on_one_document(&page);
    let text = page["text"].as_str().unwrap();
    assert_eq!(page["word"], "ACTIVE", "{text}");
    for says in ["What runs", "What it does", "The last 10 minutes", "Alerts", "Record", "asked for anew every 5 s"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(page["charts"].as_u64() > Some(3), "{}: {text}", page["charts"]);
    browser.did_well(&origin, &[]);
    system.stop();
}

/// Waits until the engine has what its bot says: being ready comes first.
fn wait_figures(system: &System) {
    let figures = || system.get("/api/metrics/history?range=24h").1;
    let said = ["daily_pnl", "total_pnl", "trades_executed", "trades_succeeded"];
    until(
        || format!("the bot's figures: {}", figures()),
        || {
            let text = figures();
            said.iter().all(|name| text.contains(&format!("\"bot.{name}\""))).then_some(())
        },
    );
}

#[test]
fn it_fits_a_phone_and_the_night_and_needs_no_mouse() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    assert_eq!(
        system.run("kill-switch engage", &["--reason", &"a_reason_without_a_space_".repeat(20)]).status.code(),
        Some(0)
    );
    let mut browser = Browser::open();
    browser.look(360, 740, "light");
    browser.go(&format!("{origin}/"));
    browser.wait("the halt", &format!("{WORD} === 'SHUTDOWN'"));
    // Who looks at it under stress sees what is open before anything that may wait.
    browser.wait("the alert", "document.getElementById('alerts') !== null");
    let order = "[...document.querySelectorAll('main h2')].map((one) => one.id)";
    assert_eq!(browser.eval(&format!("({order})[0]")), "alerts", "{}", browser.eval(order));
    assert_eq!(browser.eval("document.querySelector('.open a').innerText"), "1 alert is open");
    for details in ["coverage", "channels", "past", "figures"] {
        browser.eval(&format!("document.getElementById('{details}')?.setAttribute('open', ''); true"));
    }
    let widths = browser.eval("[document.documentElement.scrollWidth, document.documentElement.clientWidth]");
    assert_eq!(widths[0], widths[1], "it scrolls sideways");
    browser.picture("phone");
    let day = browser.eval("getComputedStyle(document.body).backgroundColor");
    browser.look(360, 740, "dark");
    assert_ne!(browser.eval("getComputedStyle(document.body).backgroundColor"), day);
    browser.picture("phone-dark");
    browser.look(1280, 900, "dark");
    browser.picture("dark");
    // What words stand on is far enough from them, in both.
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        let poor = browser.eval(CONTRAST);
        assert_eq!(poor, json!([]), "{scheme}");
    }
    // From the top, Tab leads past everything to the content, and what was opened and chosen stays so over updates.
    browser.eval("document.body.focus(); document.getElementById('coverage').querySelector('summary').focus(); true");
    browser.eval("window.before = document.getElementById('live').dataset.made; true");
    browser.wait("an update", "document.getElementById('live').dataset.made !== window.before");
    assert_eq!(browser.eval("document.activeElement.tagName"), "SUMMARY");
    assert_eq!(browser.eval("document.getElementById('coverage').open"), true);
    let tree = browser.eval("['header', 'main', 'footer', '[role=alert]', '[role=status]'].map(one => document.querySelectorAll(one).length > 0)");
    assert_eq!(tree, json!([true, true, true, true, true]));
    assert_eq!(browser.eval("[...document.querySelectorAll('section')].every(one => one.hasAttribute('aria-label') || document.getElementById(one.getAttribute('aria-labelledby')))"), true);
    browser.did_well(&origin, &[]);
    system.stop();
}

/// Texts whose contrast with what they stand on is below 4.5 (WCAG AA).
const CONTRAST: &str = r#"(() => {
  const parse = (color) => { const n = color.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n[3] ?? 1 }; };
  const light = ({ r, g, b }) => [r, g, b].map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; })
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const ground = (node) => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c.a === 1) return c; } return { r: 255, g: 255, b: 255 }; };
  const poor = [];
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.nodeValue.trim()) || !node.checkVisibility()) continue;
    if (node.closest('svg, .plot')) continue;
    const [one, other] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    if ((one + .05) / (other + .05) < 4.5) poor.push(node.className + ': ' + node.textContent.slice(0, 40));
  }
  return poor;
})()"#;

#[test]
fn where_no_stream_comes_through_it_asks_again_by_itself() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    let mut browser = Browser::open();
    let deaf = "window.WebSocket = class { static OPEN = 1; constructor() { setTimeout(() => this.onclose(), 0); } close() {} };";
    browser.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": deaf }));
    browser.go(&format!("{origin}/"));
    browser.wait("active", &format!("{WORD} === 'ACTIVE'"));
    assert_eq!(system.run("kill-switch engage", &["--reason", "enough"]).status.code(), Some(0));
    browser.wait("the kill switch", &format!("{WORD} === 'SHUTDOWN'"));
    assert_eq!(browser.count("Network.webSocketCreated"), 0);
    browser.did_well(&origin, &[]);
    system.stop();
}

#[test]
fn a_page_that_lost_its_charts_has_them_again_soon() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    let mut browser = Browser::open();
    let counts = "const asks = window.fetch; window.fetch = (...all) => { window.asked += 1; return asks(...all); };";
    browser.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": counts }));
    browser.go(&format!("{origin}/"));
    // As a page has none that said meanwhile that there is no answer.
    let lose = "window.asked = 0; document.getElementById('charts').remove(); true";
    browser.wait("charts", "document.querySelector('#charts figure') !== null");
    browser.eval(lose);
    // It asks for the whole page, instead of waiting for the charts' own minute; where that came just now they are lost once more.
    let asked = format!(
        "(() => {{ const there = document.querySelector('#charts figure') !== null; \
         if (there && !window.asked) {{ {lose} }} return there && window.asked > 0; }})()"
    );
    browser.wait("its charts", &asked);
    browser.did_well(&origin, &[]);
    system.stop();
}

#[test]
fn a_page_of_another_origin_learns_nothing() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    // Another port of the same host is another origin.
    let (mut other, elsewhere) = self::system();
    other.start();
    let mut browser = Browser::open();
    browser.go(&format!("{elsewhere}/paths"));
    let watch = format!(
        "new Promise((done) => {{ const s = new WebSocket('{}/ws'); s.onmessage = () => done('told'); s.onerror = () => done('refused'); }})",
        origin.replace("http", "ws")
    );
    assert_eq!(browser.eval(&watch), "refused");
    let read = format!("fetch('{origin}/api/status').then(() => 'told', () => 'refused')");
    assert_eq!(browser.eval(&read), "refused");
    let act = format!(
        "fetch('{origin}/api/control/emergency-stop', {{method: 'POST', body: '{{}}', headers: {{'content-type': 'application/json'}}}}).then(() => 'told', () => 'refused')"
    );
    assert_eq!(browser.eval(&act), "refused");
    other.stop();
    system.stop();
}

#[test]
fn a_fleet_is_one_page() {
    let (mut first, url) = system();
    first.start();
    first.wait_active();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut second = System::new(&format!(
        "[observe]\nlisten = \"127.0.0.1:{port}\"\nfleet = [{{ name = \"first\", url = \"{url}\" }}, {{ name = \"gone\", url = \"http://{gone}\" }}]\n\
         [[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n"
    ));
    second.start();
    let mut browser = Browser::open();
    browser.look(1280, 900, "light");
    browser.go(&format!("http://127.0.0.1:{port}/"));
    browser.eval("document.querySelector('nav a').click(); true");
    browser.wait("both", "location.pathname === '/fleet' && document.querySelectorAll('article').length === 2");
    let words = "[...document.querySelectorAll('article')].map(one => one.dataset.key + ' ' + one.querySelector('.word').innerText.trim().replace(/^\\W+/, ''))";
    assert_eq!(browser.eval(words), json!(["gone NO ANSWER", "first ACTIVE"]));
    browser.picture("fleet");
    assert_eq!(first.run("kill-switch engage", &["--reason", "enough"]).status.code(), Some(0));
    browser.wait("its halt", &format!("{words}.includes('first SHUTDOWN')"));
    // The browser asks this engine alone.
    browser.did_well(&format!("http://127.0.0.1:{port}"), &[]);
    second.stop();
    first.stop();
}

/// A port that leads to the control socket, as `ssh -L` makes one.
fn tunnel(system: &System) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let socket = system.path("run/control.sock");
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = UnixStream::connect(&socket) else { continue };
            let (mut from_near, mut to_near) = (near.try_clone().unwrap(), near);
            let (mut from_far, mut to_far) = (far.try_clone().unwrap(), far);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_near, &mut to_far);
                let _ = to_far.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_far, &mut to_near);
                let _ = to_near.shutdown(Shutdown::Both);
            });
        }
    });
    origin
}

#[test]
fn the_emergency_stop_is_given_with_the_name_typed_and_only_so() {
    let (mut system, _) = system();
    system.start();
    system.wait_active();
    let origin = tunnel(&system);
    let mut browser = Browser::open();
    browser.look(1280, 900, "light");
    browser.go(&format!("{origin}/"));
    browser.wait("the controls", "document.getElementById('stop') !== null");
    let give = |name: &str| {
        format!(
            "(() => {{ document.getElementById('arm').open = true; const f = document.querySelector('#stop form').elements; f.reason.value = 'venue misbehaves'; f.confirm.value = '{name}'; \
             document.querySelector('button.danger').click(); return true; }})()"
        )
    };
    browser.eval(&give("another"));
    browser.wait("a refusal", "document.querySelector('#stop .outcome').innerText.startsWith('Nothing was done')");
    assert_eq!(browser.eval(WORD), "ACTIVE");
    browser.picture("controls");
    browser.eval(&give(&system.name));
    browser.wait("the kill switch", &format!("{WORD} === 'SHUTDOWN'"));
    browser.wait("the receipt", "document.querySelector('#stop .outcome').innerText === 'Done.'");
    // In the form's place stands what the stop left to people, and the receipt with it.
    browser.wait("what it left", "document.querySelector('#stop form') === null && document.getElementById('stop').innerText.includes('nothing was cancelled')");
    assert_eq!(browser.eval("document.querySelector('#stop .outcome').innerText"), "Done.");
    browser.picture("stopped");
    browser.did_well(&origin, &[]);
    let halts = system.status().unwrap()["halts"].clone();
    assert!(halts[0]["evidence"].as_str().unwrap().contains("venue misbehaves"), "{halts}");
    // Somebody takes the incident on.
    browser.wait("the incident", "document.querySelector('form[data-id] button') !== null");
    browser.eval("document.querySelector('form[data-id] button').click(); true");
    browser.wait("it is taken on", "document.querySelector('.alerts').innerText.includes('taken on by')");
    // Released, it can be given again, and says nothing of the last time.
    assert_eq!(
        system.run("kill-switch release", &["--reason", "looked at", "--confirm", &system.name]).status.code(),
        Some(0)
    );
    browser.wait("the form", "document.querySelector('#stop form') !== null");
    assert_eq!(browser.eval("document.querySelector('#stop .outcome').innerText"), "");
    system.stop();
}

#[test]
fn the_figures_above_the_charts_are_those_of_now() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    wait_figures(&system);
    let mut browser = Browser::open();
    browser.look(390, 844, "light");
    browser.go(&format!("{origin}/"));
    let shown = |name: &str| format!("document.querySelector('[data-now=\"{name}\"]')?.innerText");
    browser.wait("the figure", &format!("{} === '200'", shown("bot.trades_executed")));
    // As where the page says it once more.
    let told = "[...document.querySelectorAll('.tile')].find((one) => one.innerText.startsWith('daily profit')).querySelector('dd').innerText";
    assert_eq!(browser.eval(&shown("bot.daily_pnl")), browser.eval(told));
    // Drawings come once a minute; their figures with every message: what was wrong is right by the next one, in the same drawing.
    browser.eval("window.drawn = document.querySelector('[data-key=\"bot.daily_pnl\"] svg'); true");
    browser.eval("document.querySelector('[data-now=\"bot.daily_pnl\"]').textContent = 'old'; true");
    browser.wait("the figure of now", &format!("{} === '−12.50'", shown("bot.daily_pnl")));
    assert_eq!(browser.eval("document.querySelector('[data-key=\"bot.daily_pnl\"] svg') === window.drawn"), true);
    // Two of them beside each other on a phone.
    let places = browser.eval(
        "[...document.querySelectorAll('.charts .chart')].slice(0, 2).map((one) => one.getBoundingClientRect().top)",
    );
    assert_eq!(places[0], places[1]);
    browser.did_well(&origin, &[]);
    system.stop();
}

#[test]
fn nothing_on_the_page_touches_its_neighbour_and_no_figure_is_broken() {
    let (mut system, origin) = system();
    system.start();
    system.wait_active();
    wait_figures(&system);
    let mut browser = Browser::open();
    for (width, height) in [(1280, 900), (390, 844), (320, 568)] {
        browser.look(width, height, "light");
        browser.go(&format!("{origin}/"));
        browser.wait("active", &format!("{WORD} === 'ACTIVE'"));
        assert_eq!(browser.eval(TOUCHING), json!([]), "{width}");
        assert_eq!(browser.eval(BROKEN), json!([]), "{width}");
    }
    browser.did_well(&origin, &[]);
    system.stop();
}

/// Boxes whose distance from what is beside or below them is not that of all others, in pixels.
const TOUCHING: &str = r#"(() => {
  const boxes = [...document.querySelectorAll('main .card, main .tile, main .chart, main .alert')].filter((one) => one.checkVisibility() && !one.parentElement.closest('.card'));
  const at = boxes.map((one) => one.getBoundingClientRect());
  const near = [];
  boxes.forEach((one, i) => boxes.forEach((other, j) => {
    if (i === j) return;
    const beside = at[j].left - at[i].right, below = at[j].top - at[i].bottom;
    const rows = Math.min(at[i].bottom, at[j].bottom) - Math.max(at[i].top, at[j].top);
    const columns = Math.min(at[i].right, at[j].right) - Math.max(at[i].left, at[j].left);
    if ((rows > 1 && columns > 1) || (rows > 1 && beside >= 0 && beside < 8) || (columns > 1 && below >= 0 && below < 8)) {
      near.push(one.innerText.slice(0, 30) + ' / ' + other.innerText.slice(0, 30));
    }
  }));
  return near;
})()"#;

/// Figures that go over more than one line.
const BROKEN: &str = r#"[...document.querySelectorAll('.figure, .tile dd, .state, figcaption strong, td.num')]
  .filter((one) => one.checkVisibility() && [...one.getClientRects()].length > 0)
  .filter((one) => { const range = document.createRange(); range.selectNodeContents(one);
    const rects = [...range.getClientRects()].filter((rect) => rect.width > 0);
    return Math.max(...rects.map((rect) => rect.bottom)) - Math.min(...rects.map((rect) => rect.top)) > 2 * parseFloat(getComputedStyle(one).fontSize); })
  .map((one) => one.innerText)"#;
