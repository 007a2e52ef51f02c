#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::command::Command;
use crate::doors::fake_loop::answering;
use crate::doors::http::Connections;
use axum::http::{HeaderValue, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

#[test]
fn only_pages_from_here_may_watch() {
    let judge = |origin: Option<&str>, host: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_bytes(origin.as_bytes()).unwrap());
        }
        may_watch(&headers)
    };
    assert!(judge(None, "127.0.0.1:8080"), "programs say no origin");
    assert!(judge(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"));
    assert!(judge(Some("https://Bot-Host"), "bot-host"), "behind a proxy with TLS");
    for foreign in ["http://evil.example", "http://127.0.0.1:8081", "null", "http://127.0.0.1:8080.evil", ""] {
        assert!(!judge(Some(foreign), "127.0.0.1:8080"), "{foreign}");
    }
    // What cannot be read is nobody's.
    assert!(!judge(Some("http://bücher"), "bücher") && !judge(Some("bücher"), "127.0.0.1:8080"));
    assert!(!judge(Some("http://"), "bücher") && !judge(Some("bücher"), "bücher"));
}

#[tokio::test(start_paused = true)]
async fn the_loop_is_asked_only_while_somebody_watches() {
    let (commands, mut asked) = tokio::sync::mpsc::channel(8);
    let (_open, closing) = watch::channel(false);
    let asker = Arc::new(Asker::new(commands, Duration::from_millis(100)));
    let live = Live::new(asker, Arc::default(), &Limits::OBSERVE, closing);
    let quiet = Duration::from_secs(3600);
    assert!(timeout(quiet, asked.recv()).await.is_err(), "before anybody watches");
    let (one, other) = (live.ticking(), live.ticking());
    let begun = Instant::now();
    for _ in 0..3 {
        // Each is given up, which is when the next may come.
        assert!(timeout(quiet, asked.recv()).await.is_ok());
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(one);
    assert!(timeout(quiet, asked.recv()).await.is_ok(), "the other one still does");
    drop(other);
    tokio::task::yield_now().await;
    while asked.try_recv().is_ok() {}
    assert!(timeout(quiet, asked.recv()).await.is_err(), "after the last one went");
}

/// Watches over a stream in memory, so that the clock is the test's.
async fn watching(live: &Arc<Live>, path: &str) -> DuplexStream {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let mut connections = Connections::new(Limits::OBSERVE, live.closing.clone());
    let slot = connections.slot().await.unwrap();
    tokio::spawn(connections.serve(far, with_live(Router::new(), live), slot));
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    near.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    near
}

/// The next frame: what it is, and what it holds; `None` at the end.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let kind = from.read_u8().await.ok()? & 0x0f;
    let length = match from.read_u8().await.ok()? {
        126 => u64::from(from.read_u16().await.ok()?),
        127 => from.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut text = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut text).await.ok()?;
    Some((kind, text))
}

/// The next message.
async fn said(from: &mut (impl AsyncRead + Unpin)) -> Value {
    let (kind, text) = frame(from).await.unwrap();
    assert_eq!(kind, 1, "{}", String::from_utf8_lossy(&text));
    serde_json::from_slice(&text).unwrap()
}

/// A page's next picture, past what only says that the way is open.
async fn pictured(from: &mut (impl AsyncRead + Unpin)) -> String {
    loop {
        let said = said(from).await;
        if said["type"] == "metrics_update" {
            return said["page"].as_str().unwrap().to_owned();
        }
    }
}

/// Watchers of a loop that gives these questions their answers, and the others none.
fn watched(gives: impl FnMut(&Command) -> bool + Send + 'static) -> Arc<Live> {
    watched_within(gives, &Limits::OBSERVE)
}

/// The same within these limits.
fn watched_within(gives: impl FnMut(&Command) -> bool + Send + 'static, limits: &Limits) -> Arc<Live> {
    let (commands, asked) = tokio::sync::mpsc::channel(8);
    tokio::spawn(answering(asked, gives));
    let (open, closing) = watch::channel(false);
    // Never closed: the sender stays with a task that waits for ever.
    tokio::spawn(async move { open.closed().await });
    Live::new(Arc::new(Asker::new(commands, Duration::from_secs(2))), Arc::default(), limits, closing)
}

#[tokio::test(start_paused = true)]
async fn a_watcher_whose_time_is_up_is_let_go() {
    let limits = Limits { watch: Duration::from_secs(300), ..Limits::OBSERVE };
    let live = watched_within(|_| true, &limits);
    let begun = Instant::now();
    let mut watching = watching(&live, PATH).await;
    let end = loop {
        match frame(&mut watching).await {
            Some((8, text)) => break text,
            Some(_) => {}
            None => panic!("no goodbye"),
        }
    };
    assert!(end.ends_with(b"ask again"), "{end:?}");
    let lasted = begun.elapsed();
    assert!(lasted >= Duration::from_secs(300) && lasted < Duration::from_secs(310), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_program_may_say_that_it_is_there_for_ever_but_not_often() {
    /// What a program sends to see whether the way is open.
    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
    let live = watched(|_| false);
    let (mut from, mut to) = tokio::io::split(watching(&live, PATH).await);
    let heard = tokio::spawn(async move {
        loop {
            // To its end, or to a goodbye.
            match frame(&mut from).await {
                Some((kind, _)) if kind != 8 => {}
                end => return end,
            }
        }
    });
    for round in 0..40 {
        for _ in 0..12 {
            let _ = to.write_all(&PING).await;
        }
        tokio::time::sleep(PING_EVERY).await;
        assert!(!heard.is_finished(), "sent away in round {round}");
    }
    for _ in 0..2 * FRAMES_MAX {
        let _ = to.write_all(&PING).await;
    }
    let (kind, text) = timeout(PING_EVERY, heard).await.unwrap().unwrap().unwrap();
    assert_eq!((kind, &text[..2]), (8, &1008u16.to_be_bytes()[..]), "{}", String::from_utf8_lossy(&text));
}

#[tokio::test(start_paused = true)]
async fn the_charts_come_with_the_first_answer_that_there_is() {
    let mut questions = 0;
    let live = watched(move |_| {
        questions += 1;
        questions > 1
    });
    let mut page = watching(&live, "/ws?view=page").await;
    assert_eq!(said(&mut page).await["type"], "ping", "the first question has no answer");
    let first = pictured(&mut page).await;
    assert!(first.contains("<figure"), "{first}");
    let second = pictured(&mut page).await;
    assert!(second.contains("id=\"charts\" data-same"), "once is enough: {second}");
}

#[tokio::test(start_paused = true)]
async fn charts_that_could_not_be_had_are_asked_for_again_at_once() {
    let mut charts = 0;
    let live = watched(move |command| {
        charts += u32::from(matches!(command, Command::History(_)));
        // Those of the first picture, then none once.
        !matches!(command, Command::History(_)) || charts != 2
    });
    let mut page = watching(&live, "/ws?view=page").await;
    assert!(pictured(&mut page).await.contains("<figure"));
    let begun = Instant::now();
    while !pictured(&mut page).await.contains("<figure") {}
    let after = begun.elapsed();
    assert!(after > Duration::from_secs(60) && after < Duration::from_secs(70), "{after:?}");
}
