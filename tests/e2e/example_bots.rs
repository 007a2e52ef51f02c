//! The bots in `examples/bots` that ask the gate: they beat, say prices, are allowed and held back, trade on paper and at a venue, say
//! what became of it, and end when they are asked to.

use crate::real_bots::bots;
use crate::system::{PATIENCE, System, failstop};
use crate::wire;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An example's configuration below `[system]`, its component's command replaced.
fn configuration(example: &str, command: &str) -> String {
    let text = fs::read_to_string(root().join("examples/bots").join(example).join("failstop.toml")).unwrap();
    let (_, text) = text.split_once("\n[[component]]\n").unwrap();
    let lines = text.lines().map(|line| if line.starts_with("command = ") { command } else { line });
    format!("[[component]]\n{}\n", lines.collect::<Vec<_>>().join("\n"))
}

fn output(system: &System) -> String {
    fs::read_to_string(system.path("state/logs/bot.log")).unwrap_or_default()
}

/// Waits for a line of the bot's that has all these words, after so many bytes of its output.
#[track_caller]
fn wait_line(system: &System, from: usize, words: &[&str]) -> String {
    let end = Instant::now() + 2 * PATIENCE;
    loop {
        let output = output(system);
        let mut lines = output.get(from..).unwrap_or_default().lines();
        if let Some(line) = lines.find(|line| words.iter().all(|word| line.contains(word))) {
            return line.to_owned();
        }
        assert!(Instant::now() < end, "waited in vain for {words:?}; the bot:\n{output}\nfailstop:\n{}", system.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// With a limit that no order is within, what opens is held back, with the reason; without it orders go out again.
#[track_caller]
fn is_held_back_by_a_limit(system: &System) {
    let run = |subcommand: &str, arguments: &[&str]| {
        let done = system.run(subcommand, arguments);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        output(system).len()
    };
    let from = run("limits override", &["order_notional", "0.01", "--for", "1h", "--reason", "nothing is to go out"]);
    wait_line(system, from, &["held back:", "ORDER_NOTIONAL"]);
    let from = run("limits end", &["order_notional"]);
    wait_line(system, from, &["on paper:"]);
}

/// It ends by itself, and its books are in order.
#[track_caller]
fn ends_in_good_order(mut system: System) {
    let from = system.next_seq();
    assert_eq!(system.stop(), 0, "{}\n{}", output(&system), system.log());
    assert!(output(&system).contains("stopped in good order"), "{}", output(&system));
    let exited = system.wait_record(from, "component.exited", |_| true);
    assert_eq!(exited["b"]["failure"], false, "{exited}");
    assert_eq!(system.run("verify-data", &["--quiet"]).status.code(), Some(0));
}

#[test]
fn the_bot_in_rust_trades_recorded_prices_on_paper() {
    let bot = Path::new(failstop()).parent().unwrap().join("examples/rust_bot");
    let mut system = System::new(&configuration("rust", &format!("command = [{bot:?}]")));
    system.start();
    system.wait_active();
    wait_line(&system, 0, &["on paper: Buy"]);
    wait_line(&system, 0, &["on paper: Sell"]);
    is_held_back_by_a_limit(&system);
    ends_in_good_order(system);
}

/// As much of Kraken as the bot asks for: prices that go up and down, an account, orders that are filled at once.
#[derive(Default)]
struct Kraken {
    asked: u32,
    orders: u32,
}

impl Kraken {
    fn start() -> (SocketAddr, Arc<Mutex<Self>>) {
        let kraken = Arc::new(Mutex::new(Self::default()));
        let answers = kraken.clone();
        let address = wire::serve(Some, move |path| {
            let result = answers.lock().unwrap().result(path.rsplit('/').next().unwrap().split('?').next().unwrap());
            json!({"error": [], "result": result}).to_string()
        });
        (address, kraken)
    }

    fn holds(&self) -> &'static str {
        if self.orders % 2 == 1 { "0.0010000000" } else { "0.0000000000" }
    }

    fn result(&mut self, what: &str) -> Value {
        match what {
            "Time" => json!({"unixtime": 1_800_000_000, "rfc1123": ""}),
            "Assets" => {
                let asset =
                    |name: &str| json!({"aclass": "currency", "altname": name, "decimals": 10, "display_decimals": 5});
                json!({"XXBT": asset("XBT"), "ZUSD": asset("USD")})
            }
            "AssetPairs" => json!({"XXBTZUSD": {
                "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT",
                "aclass_quote": "currency", "quote": "ZUSD", "lot": "unit", "cost_decimals": 5, "pair_decimals": 1,
                "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.26]],
                "fees_maker": [[0, 0.16]], "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40,
                "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1", "status": "online",
            }}),
            "Ticker" => {
                self.asked += 1;
                // Thirty up, thirty down.
                let step = self.asked % 60;
                let price = format!("{}.0", 60_000 + if step < 30 { step } else { 60 - step });
                let day = ["1.0", "2.0"];
                json!({"XXBTZUSD": {
                    "a": [price, "1", "1.0"], "b": [price, "1", "1.0"], "c": [price, "0.1"], "v": day, "p": [price, price],
                    "t": [1, 2], "l": [price, price], "h": [price, price], "o": price,
                }})
            }
            "Balance" | "BalanceEx" => {
                let balance = |held: &str| json!({"balance": held, "hold_trade": "0.0000"});
                json!({"ZUSD": balance("10000.0000"), "XXBT": balance(self.holds())})
            }
            "AddOrder" => {
                self.orders += 1;
                json!({"descr": {"order": ""}, "txid": [format!("O{:05}-AAAAA-AAAAAA", self.orders)]})
            }
            "TradesHistory" => {
                let trade = |number: u32| {
                    let side = if number % 2 == 1 { "buy" } else { "sell" };
                    let trade = json!({
                        "ordertxid": format!("O{number:05}-AAAAA-AAAAAA"), "pair": "XXBTZUSD", "time": 1_800_000_000.5,
                        "type": side, "ordertype": "limit", "price": "60010.0", "cost": "60.01", "fee": "0.0",
                        "vol": "0.00100000", "margin": "0", "misc": "",
                    });
                    (format!("T{number:05}-AAAAA-AAAAAA"), trade)
                };
                json!({"trades": (1..=self.orders).map(trade).collect::<serde_json::Map<_, _>>(), "count": self.orders})
            }
            other => panic!("the bot asks for {other}"),
        }
    }
}

/// The bot's system beside its venue.
fn ccxt(head: &str, kraken: SocketAddr) -> System {
    let python = bots().join("bin/python3");
    let script = root().join("examples/bots/ccxt/bot.py");
    let client: PathBuf = root().join("clients/python/src");
    let command = format!(
        "command = [{python:?}, \"-u\", {script:?}, \"http://{kraken}\"]\n\
         env = {{ PYTHONPATH = {client:?} }}\nenv_file = \"DIR/keys.env\""
    );
    let text = configuration("ccxt", &command);
    let system = System::with_head(head, &text.replace("https://api.kraken.com", &format!("http://{kraken}")));
    let keys = system.path("keys.env");
    fs::write(&keys, "KRAKEN_KEY=key\nKRAKEN_SECRET=c2VjcmV0\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    system
}

#[test]
fn the_bot_on_ccxt_trades_on_paper() {
    let (address, kraken) = Kraken::start();
    let mut system = ccxt("mode = \"dry\"", address);
    system.start();
    wait_line(&system, 0, &["on paper: buy"]);
    wait_line(&system, 0, &["on paper: sell"]);
    is_held_back_by_a_limit(&system);
    assert_eq!(kraken.lock().unwrap().orders, 0, "what is on paper does not leave");
    ends_in_good_order(system);
}

#[test]
fn the_bot_on_ccxt_trades_at_its_venue_once_the_mode_is_live() {
    let (address, kraken) = Kraken::start();
    let mut system = ccxt("mode = \"live\"", address);
    system.start();
    system.go_live();
    wait_line(&system, 0, &["live: buy", "accepted"]);
    wait_line(&system, 0, &["live: sell", "accepted"]);
    let booked = system.wait_record(1, "ledger.fill", |body| body["side"] == "sell");
    assert!(kraken.lock().unwrap().orders >= 2);
    assert!(!output(&system).contains("not booked"), "{}", output(&system));
    assert!(booked["b"].is_object());
    ends_in_good_order(system);
}

/// Parts of configurations are read with a component where they have none.
#[test]
fn the_configurations_of_the_guide_are_read() {
    let guide = fs::read_to_string(root().join("docs/guide/existing-bots.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        let component = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";
        // The test has its own `[system]`.
        let own = block.find("[[component]]").filter(|_| block.contains("[system]")).map_or(block, |at| &block[at..]);
        let with = if own.contains("[[component]]") { own.to_owned() } else { format!("{component}{own}") };
        let system = System::new(&with);
        let checked = system.run("check", &["--offline"]);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
        assert!([Some(0), Some(1)].contains(&checked.status.code()) && !said.contains("-->"), "{with}\n{said}");
    }
}
