//! A session against a far end that a test plays line by line.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_client::session::{Notice, Session, SessionError};
use failstop_client::wire::{
    Booked, Code, Decoded, HaltCap, Id, Leg, Message, Mode, Order, Permission, Position, Posting, Push, Side, decode,
};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

struct FarEnd {
    listener: UnixListener,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl FarEnd {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.sock");
        Self { listener: UnixListener::bind(&path).unwrap(), path, _folder: folder }
    }

    fn accept(&self) -> BufReader<UnixStream> {
        BufReader::new(self.listener.accept().unwrap().0)
    }
}

fn heard(far: &mut BufReader<UnixStream>) -> Decoded {
    let mut line = String::new();
    assert!(far.read_line(&mut line).unwrap() > 0, "the connection was closed");
    decode(line.trim_end().as_bytes()).unwrap()
}

/// Plays the engine in a thread: hears one request, says `before` and then the answer with the request's id.
fn answers(
    mut far: BufReader<UnixStream>,
    before: &'static str,
    body: &'static str,
) -> std::thread::JoinHandle<Message> {
    std::thread::spawn(move || {
        let request = heard(&mut far);
        let Some(Id::Number(id)) = request.id else { panic!("the request has no id") };
        writeln!(far.get_mut(), "{before}{{\"id\":{id},{body}}}").unwrap();
        request.message
    })
}

#[test]
fn one_way_lines_go_out_in_order() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let mut far = end.accept();
    session.heartbeat(Some(4)).unwrap();
    session.tick("binance", Some("BTCUSDT"), None).unwrap();
    session.metric("daily_pnl", -2.5).unwrap();
    session.error("api", "no answer", 2).unwrap();
    for kind in ["heartbeat", "tick", "metric", "error"] {
        let said = heard(&mut far);
        assert_eq!((said.message.kind(), said.id), (kind, None));
    }
}

#[test]
fn an_event_returns_its_sequence_number_and_pushes_on_the_way_are_kept() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let push = "{\"event\":\"stop\",\"reason\":\"r\",\"grace_ms\":5}\n{\"event\":\"later\",\"what\":1}\n{\"id\":77,\"ok\":true}\nnot json\n";
    let engine = answers(end.accept(), push, "\"ok\":true,\"seq\":19");
    assert_eq!(session.event("x.a", serde_json::Map::new()).unwrap(), 19);
    assert_eq!(engine.join().unwrap().kind(), "event");
    assert_eq!(session.notice(), Some(Notice::Push(Push::Stop { reason: "r".into(), grace_ms: 5 })));
    assert_eq!(session.notice(), Some(Notice::Push(Push::Unknown)));
    assert_eq!(session.notice(), None);
}

#[test]
fn refusals_reach_whoever_asked() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let engine = answers(end.accept(), "", "\"ok\":false,\"code\":\"NOT_A_COMPONENT\",\"error\":\"who are you\"");
    match session.halt(HaltCap::Shutdown, "why") {
        Err(SessionError::Refused { request: "halt", code: Code::NotAComponent, error }) => {
            assert_eq!(error, "who are you")
        }
        other => panic!("{other:?}"),
    }
    engine.join().unwrap();
}

#[test]
fn a_refused_one_way_line_is_a_notice_and_only_the_latest_permission_is_kept() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let mut far = end.accept();
    for permission in ["observe-only", "active"] {
        writeln!(
            far.get_mut(),
            "{{\"event\":\"permission\",\"permission\":\"{permission}\",\"mode\":\"dry\",\"halts\":[]}}"
        )
        .unwrap();
    }
    writeln!(far.get_mut(), "{{\"ok\":false,\"code\":\"BAD_FIELD\",\"error\":\"e\"}}").unwrap();
    let active = Push::Permission { permission: Permission::Active, mode: Mode::Dry, halts: Vec::new() };
    assert_eq!(session.wait_notice(Duration::from_secs(30)).unwrap(), Some(Notice::Push(active)));
    let refused = Notice::Refused { code: Code::BadField, error: "e".into() };
    assert_eq!(session.wait_notice(Duration::from_secs(30)).unwrap(), Some(refused));
    assert_eq!(session.wait_notice(Duration::from_millis(1)).unwrap(), None);
}

#[test]
fn a_silent_engine_is_waited_for_no_longer_than_said() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    session.set_timeout(Duration::from_millis(20));
    assert!(matches!(session.permission(), Err(SessionError::TimedOut { request: "permission?", .. })));
    // Nobody reads either: a full socket ends the same way.
    let lost = (0..1_000_000).find_map(|_| session.heartbeat(None).err());
    assert!(matches!(lost, Some(SessionError::Lost { .. })), "{lost:?}");
}

#[test]
fn a_lost_connection_is_made_anew_with_its_hello() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let hello = "\"ok\":true,\"system\":\"demo\",\"component\":\"bot\",\"slot\":1,\"epoch\":7,\"permission\":\"active\",\"mode\":\"dry\",\"version\":\"0\"";
    let engine = answers(end.accept(), "", hello);
    assert_eq!(session.hello("bot", "1").unwrap().component.as_deref(), Some("bot"));
    // The far end is dropped with its thread.
    engine.join().unwrap();
    session.heartbeat(Some(1)).unwrap();
    let mut far = end.accept();
    assert_eq!(heard(&mut far).message.kind(), "hello");
    assert_eq!(heard(&mut far).message.kind(), "heartbeat");

    drop(far);
    drop(end);
    assert!(session.heartbeat(Some(2)).is_err());
    assert!(matches!(session.heartbeat(Some(3)), Err(SessionError::Connect { .. })));
}

#[test]
fn one_that_is_turned_away_does_not_come_back_at_once() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let turned_away = |far: BufReader<UnixStream>| {
        far.get_ref()
            .write_all(b"{\"ok\":false,\"code\":\"TOO_MANY_CONNECTIONS\",\"error\":\"close some\"}\n")
            .unwrap();
    };
    turned_away(end.accept());
    let waited = Duration::from_secs(5);
    assert!(matches!(session.wait_notice(waited), Ok(Some(Notice::Refused { .. }))));
    // Whether the end is seen now or was seen with the refusal: nothing comes back for it.
    assert!(session.wait_notice(waited).is_err());
    let held_back = session.wait_notice(waited).unwrap_err().to_string();
    assert!(held_back.contains("just now"), "{held_back}");
    end.listener.set_nonblocking(true).unwrap();
    assert_eq!(end.listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_is_booked_is_said_whole_and_the_answer_tells_a_repetition() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let engine = answers(end.accept(), "", "\"ok\":true,\"seq\":31,\"already\":true");
    let posting = Posting {
        reference: "d-1".into(),
        legs: vec![Leg::inside("USDT", "k", "main", "1.50"), Leg::outside("USDT", "venue", "-1.50")],
        reason: None,
    };
    assert_eq!(session.posting(posting.clone()).unwrap(), Booked { seq: 31, already: true });
    assert_eq!(engine.join().unwrap(), Message::Posting(posting));
}

#[test]
fn a_violation_is_a_refusal_with_its_own_code() {
    let end = FarEnd::open();
    let mut session = Session::connect(&end.path).unwrap();
    let engine =
        answers(end.accept(), "", "\"ok\":false,\"code\":\"VIOLATION\",\"error\":\"posting-sum: d-1: off by 1\"");
    let refused = session.position(Position {
        account: "k".into(),
        instrument: "BTCUSDT".into(),
        quantity: "1".into(),
        opening: false,
        entry: None,
        leverage: None,
    });
    assert!(
        matches!(&refused, Err(SessionError::Refused { code: Code::Violation, request: "position", error }) if error.contains("off by 1")),
        "{refused:?}"
    );
    drop(engine.join());
}

#[test]
fn an_order_that_cannot_be_asked_for_is_refused_with_the_reason() {
    let end = FarEnd::open();
    let path = end.path.clone();
    let mut session = Session::connect(&path).unwrap();
    let order = || Order::market("e7-1", "main", "BTC/USDT", Side::Buy, "0.001");
    // Whoever answered is gone, and then there is nobody.
    drop(end);
    let lost = session.order(order());
    assert!(!lost.allow && (lost.has("LOST") || lost.has("OFFLINE")), "{lost:?}");
    let offline = session.order(order());
    assert!(!offline.allow && offline.has("OFFLINE"), "{offline:?}");
    let rate = session.rate("copies", None, 1);
    assert!(!rate.allow && rate.reasons.iter().any(|reason| reason.code == "OFFLINE"), "{rate:?}");
}
