#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use failstop_client::gate::GateStatus;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

fn status() -> Box<Status> {
    let status = json!({
        "system": "demo", "epoch": 7, "permission": "observe-only", "mode": "dry", "kill_switch": false,
        "health": {"status": "degraded", "overall_health": 0.5, "reasons": ["bot is degraded"]},
        "halts": [{"id": "h-31", "cause": "heartbeat-lost", "cap": "observe-only", "latched": true,
            "since": "2026-11-03T20:51:07Z", "component": "bot", "evidence": "the bot beat last at 20:49:07Z\u{1b}[2J",
            "next": "failstop resume --halt h-31 --reason \"...\" --confirm demo"}],
        "components": [
            {"name": "bot", "state": "ready", "pid": 20718, "restarts": 2, "ready": true, "orders": "asks",
             "last_sign_seconds": 4.0, "memory_bytes": 412_000_000u64, "memory_max_bytes": 1_800_000_000u64, "cpu_percent": 3.0,
             "status_text": "trading BTC"},
            {"name": "scanner", "state": "failed", "pid": null, "restarts": 0, "ready": false, "orders": "none"}],
        "parts": [{"component": "bot", "name": "websocket", "health": 0.5}],
        "dependencies": {"kraken": false}, "feeds": {"binance": 5.0}, "metrics": {"daily_pnl": -12.5},
        "journal": {"seq": 18441, "head": "9f2c41abff", "jid": "ab"}, "uptime_seconds": 11520.0
    });
    serde_json::from_value(status).unwrap()
}

fn now() -> Timestamp {
    "2026-11-03T21:05:07Z".parse().unwrap()
}

fn drawn(picture: &mut Picture, (width, height): (u16, u16), paint: Paint) -> (Vec<String>, Terminal<TestBackend>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| picture.draw(frame, paint, now())).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
    ((0..height).map(row).collect(), terminal)
}

fn heard() -> Picture {
    let mut picture = Picture::default();
    picture.heard(Ok(status()), now());
    picture
}

#[test]
fn the_order_is_that_of_every_other_picture() {
    let (rows, _) = drawn(&mut heard(), (120, 30), Paint::Colour);
    assert_eq!(rows[0], "demo   OBSERVE-ONLY   mode dry   up 3 h 12 min   epoch 7");
    assert_eq!(rows[2], "heartbeat-lost  bot  since 20:51:07Z (14 min)  latched  observe-only (h-31)");
    assert_eq!(rows[4], "  next: failstop resume --halt h-31 --reason \"...\" --confirm demo");
    let place =
        |what: &str| rows.iter().position(|row| row.contains(what)).unwrap_or_else(|| panic!("{what}: {rows:#?}"));
    let order = [
        "health degraded",
        "bot       ready   pid 20718",
        "          trading BTC",
        "          part websocket",
        "feed      binance: fresh 5 s ago",
        "needs     kraken: down",
        "metric    daily_pnl: -12.5",
        "journal   18 441 records",
    ];
    assert!(order.map(place).is_sorted(), "{rows:#?}");
    assert_eq!(rows[29], "as of 21:05:07Z  q ends");
}

#[test]
fn nothing_that_a_bot_says_moves_the_cursor() {
    let (rows, _) = drawn(&mut heard(), (120, 30), Paint::Colour);
    assert!(rows[3].contains("\\u{1b}[2J") && !rows.concat().contains('\u{1b}'), "{}", rows[3]);
}

#[test]
fn a_narrow_terminal_shows_every_word() {
    let mut picture = heard();
    let wide = drawn(&mut picture, (200, 60), Paint::Plain).0.concat();
    for width in [1, 8, 20, 33, 80] {
        let (rows, _) = drawn(&mut picture, (width, 1000), Paint::Plain);
        let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        // Where both do not fit in a row the permission comes first.
        let narrow = squeezed(&rows.concat()).replace("OBSERVE-ONLYdemo", "demoOBSERVE-ONLY");
        assert_eq!(narrow, squeezed(&wide), "{width}");
    }
}

#[test]
fn lines_are_broken_between_words() {
    let (rows, _) = drawn(&mut heard(), (40, 60), Paint::Plain);
    let whole = drawn(&mut heard(), (200, 60), Paint::Plain).0.join(" ");
    let known: Vec<&str> = whole.split_whitespace().collect();
    for word in rows.iter().flat_map(|row| row.split_whitespace()) {
        assert!(known.contains(&word), "{word}: {rows:#?}");
    }
    assert!(rows.iter().any(|row| row == "bot       ready   pid 20718   restarts 2"), "{rows:#?}");
    assert!(rows.iter().any(|row| row == "          412 MB of 1.8 GB   3 % CPU"), "{rows:#?}");
}

#[test]
fn the_smallest_window_shows_the_permission() {
    for size in [(10, 3), (12, 2), (14, 1)] {
        let (rows, _) = drawn(&mut heard(), size, Paint::Plain);
        assert!(rows.concat().contains("OBSERVE-O"), "{size:?}: {rows:#?}");
    }
    let (rows, _) = drawn(&mut heard(), (10, 3), Paint::Plain);
    assert_eq!((rows[0].as_str(), rows[2].split_whitespace().next()), ("OBSERVE-ON", Some("as")), "{rows:#?}");
}

#[test]
fn what_is_too_long_scrolls_and_the_permission_stays() {
    let mut picture = heard();
    let (rows, _) = drawn(&mut picture, (80, 8), Paint::Plain);
    assert!(rows[7].contains("arrows scroll"), "{rows:#?}");
    picture.scroll(i32::MAX);
    let (rows, _) = drawn(&mut picture, (80, 8), Paint::Plain);
    assert!(rows[0].contains("OBSERVE-ONLY") && rows[6].contains("18 441 records"), "{rows:#?}");
    picture.page(-1);
    picture.scroll(i32::MIN);
    let (rows, _) = drawn(&mut picture, (80, 8), Paint::Plain);
    assert!(rows[2].starts_with("heartbeat-lost"), "{rows:#?}");
    // A larger window shows the top again.
    picture.scroll(i32::MAX);
    let (rows, _) = drawn(&mut picture, (80, 60), Paint::Plain);
    assert!(rows[2].starts_with("heartbeat-lost"), "{rows:#?}");
}

#[test]
fn an_engine_that_is_gone_is_said_and_what_it_said_stays() {
    let mut picture = heard();
    picture.heard(Err("error: no engine answers".to_owned()), now());
    let (rows, terminal) = drawn(&mut picture, (100, 30), Paint::Plain);
    assert!(rows[29].starts_with("disconnected: as of 21:05:07Z"), "{}", rows[29]);
    assert!(rows[0].contains("OBSERVE-ONLY"));
    assert!(picture.status().is_none(), "what is old is no verdict");
    let cell = &terminal.backend().buffer()[(0, 29)];
    assert!(cell.modifier.contains(Modifier::REVERSED));
    let mut never = Picture::default();
    never.heard(Err("error: no engine answers\nnext: start it".to_owned()), now());
    let (rows, _) = drawn(&mut never, (100, 10), Paint::Plain);
    assert_eq!((rows[0].as_str(), rows[1].as_str()), ("error: no engine answers", "next: start it"));
}

#[test]
fn without_colour_there_is_none() {
    for (paint, coloured) in [(Paint::Colour, true), (Paint::Plain, false)] {
        let (_, terminal) = drawn(&mut heard(), (120, 30), paint);
        let cells = &terminal.backend().buffer().content;
        assert_eq!(cells.iter().any(|cell| cell.fg != Color::Reset), coloured, "{paint:?}");
    }
}

#[test]
fn what_stands_at_the_gate_and_in_the_books_is_there_as_in_the_status() {
    let mut status = status();
    let result = json!({"account": "kraken\u{1b}[2J", "result": "-12.50", "opening_equity": "1000", "lost": 0.01, "reached": true});
    let awaiting = json!({"client_id": "c-1", "component": "bot", "user": null, "account": "kraken", "instrument": "BTC/USDT",
        "side": "buy", "quantity": "1", "price": null, "worth": "64000", "until": "2026-11-03T21:10:00Z"});
    let gate = GateStatus {
        allowed: 40,
        results: vec![serde_json::from_value(result).unwrap()],
        awaiting: vec![serde_json::from_value(awaiting).unwrap()],
        ..GateStatus::default()
    };
    (status.gate, status.books.violations) = (Some(gate), 2);
    status.components[0].cpu_max_percent = Some(90);
    let mut picture = Picture::default();
    picture.heard(Ok(status), now());
    let (rows, _) = drawn(&mut picture, (120, 30), Paint::Plain);
    let words = rows.join("\n");
    for says in [
        "gate      40 orders allowed, 0 refused",
        "loss      the daily loss is reached in account kraken\\u{1b}[2J",
        "failstop status --section risk",
        "refused   2 that would have broken a rule of the books",
        "3 of 90 % CPU",
    ] {
        assert!(words.contains(says), "{says}: {rows:#?}");
    }
}
