//! What is signed is believed once, in time, by whom it was signed for; everything else is refused.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;

const NOW: u64 = 1_794_274_387_123;

fn text(id: &str, byte: u8) -> String {
    format!("{id}:{}", format!("{byte:02x}").repeat(32))
}

fn key() -> Key {
    Key::parse(&text("wd1", 0x5a)).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new([key(), Key::parse(&text("wd2", 0x17)).unwrap()], NOW - 3_600_000).unwrap()
}

const STOP: Request<'_> =
    Request { audience: "demo", method: "POST", target: "/api/control/stop", body: br#"{"expected_epoch":3}"# };

fn signed(at: u64, nonce: u8) -> String {
    key().sign(&STOP, at, Nonce([nonce; 16])).unwrap()
}

/// Computed apart from this code, with Python's hmac and hashlib over the text that the module's page describes.
#[test]
fn the_signature_is_that_of_an_independent_implementation() {
    assert_eq!(
        signed(NOW, 1),
        "Failstop-HMAC-SHA256 key=wd1,time=1794274387123,nonce=01010101010101010101010101010101,signature=\
         d1cdb0e75c457bc3ea9a9d70930bc4f8b852a9e27562bb6b8c57358e159fc829"
    );
    assert_eq!(
        key().sign_answer(Nonce([1; 16]), 200, br#"{"done":true}"#),
        "478b65fa1e0a355ff17190d33f6f4e0face0c14ddbe1a0b1844cc0e1eed98410"
    );
}

#[test]
fn a_signed_request_is_believed_once() {
    let mut verifier = verifier();
    let header = signed(NOW, 1);
    let signer = verifier.verify(&STOP, Some(&header), NOW + 5).unwrap();
    assert_eq!(signer, Signer { key: "wd1".to_owned(), time_ms: NOW, nonce: Nonce([1; 16]) });
    assert_eq!(verifier.verify(&STOP, Some(&header), NOW + 6), Err(Refusal::Replayed));
    assert!(verifier.verify(&STOP, Some(&signed(NOW, 2)), NOW + 6).is_ok());
}

#[test]
fn whatever_differs_from_what_was_signed_is_refused() {
    let header = signed(NOW, 1);
    for other in [
        Request { audience: "prod", ..STOP },
        Request { method: "GET", ..STOP },
        Request { target: "/api/control/restart", ..STOP },
        Request { target: "/api/control/stop?x=1", ..STOP },
        Request { body: br#"{"expected_epoch":4}"#, ..STOP },
        Request { body: b"", ..STOP },
        Request { audience: "demo\nPOST", ..STOP },
    ] {
        let refused = verifier().verify(&other, Some(&header), NOW);
        assert!(matches!(refused, Err(Refusal::Forged { .. })), "{other:?}: {refused:?}");
    }
    for (from, to) in [
        ("time=1794274387123", "time=1794274387124"),
        ("nonce=01", "nonce=02"),
        ("key=wd1", "key=wd2"),
        ("signature=", "signature=0"),
    ] {
        let changed = header.replace(from, to);
        assert!(verifier().verify(&STOP, Some(&changed), NOW).is_err(), "{changed}");
    }
    let unknown = verifier().verify(&STOP, Some(&header.replace("key=wd1", "key=wd3")), NOW);
    assert_eq!(unknown, Err(Refusal::UnknownKey("wd3".to_owned())));
}

#[test]
fn only_the_header_s_own_spelling_is_read() {
    assert_eq!(verifier().verify(&STOP, None, NOW), Err(Refusal::Unsigned));
    let good = signed(NOW, 1);
    for bad in [
        String::new(),
        "Bearer abc".to_owned(),
        good.replace("Failstop-HMAC-SHA256 ", "Failstop-HMAC-SHA256"),
        good.replace("time=", "time=+"),
        good.replace("time=", "time= "),
        good.replace("nonce=01", "nonce=0A"),
        good.replace("key=wd1,time=1794274387123", "time=1794274387123,key=wd1"),
        format!("{good},key=wd1"),
        good.replace("key=wd1", &format!("key={}", "x".repeat(500))),
    ] {
        assert_eq!(verifier().verify(&STOP, Some(&bad), NOW), Err(Refusal::Malformed), "{bad}");
    }
}

#[test]
fn the_clocks_may_be_thirty_seconds_apart_and_no_more() {
    let header = signed(NOW, 1);
    for (now, good) in [
        (NOW + WINDOW_MS, true),
        (NOW + WINDOW_MS + 1, false),
        (NOW - WINDOW_MS, true),
        (NOW - WINDOW_MS - 1, false),
        (0, false),
        (u64::MAX, false),
    ] {
        assert_eq!(verifier().verify(&STOP, Some(&header), now).is_ok(), good, "{now}");
    }
}

#[test]
fn nothing_from_before_the_start_is_believed() {
    let mut fresh = Verifier::new([key()], NOW).unwrap();
    assert_eq!(fresh.verify(&STOP, Some(&signed(NOW - 1, 1)), NOW + 10), Err(Refusal::TooOld));
    assert!(fresh.verify(&STOP, Some(&signed(NOW, 1)), NOW + 10).is_ok());
}

/// A clock that runs ahead makes the memory forget; set back, it must not make old requests good again.
#[test]
fn a_clock_that_is_set_back_makes_no_request_good_again() {
    let mut verifier = verifier();
    let first = signed(NOW, 1);
    assert!(verifier.verify(&STOP, Some(&first), NOW).is_ok());
    let later = signed(NOW + 3_600_000, 2);
    assert!(verifier.verify(&STOP, Some(&later), NOW + 3_600_000).is_ok(), "this forgets the first");
    assert_eq!(verifier.verify(&STOP, Some(&first), NOW + 1), Err(Refusal::TooOld));
}

#[test]
fn the_memory_is_bounded_and_full_means_refused() {
    let mut verifier = verifier();
    let sign = |n: usize| {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&(n as u64).to_le_bytes());
        key().sign(&STOP, NOW + n as u64 % 1000, Nonce(nonce)).unwrap()
    };
    for n in 0..REMEMBERED_MAX {
        assert!(verifier.verify(&STOP, Some(&sign(n)), NOW).is_ok(), "{n}");
    }
    assert_eq!(verifier.verify(&STOP, Some(&sign(REMEMBERED_MAX)), NOW), Err(Refusal::Full));
    assert_eq!(verifier.taken.len(), REMEMBERED_MAX);
    let later = NOW + 1000 + WINDOW_MS;
    assert!(verifier.verify(&STOP, Some(&signed(later, 9)), later).is_ok(), "the oldest ran out");
    assert_eq!(verifier.taken.len(), 1);
}

#[test]
fn an_unsigned_flood_fills_nothing() {
    let mut verifier = verifier();
    let header = signed(NOW, 1);
    for n in 0..100u8 {
        let forged = header.replace("nonce=01", &format!("nonce={n:02x}"));
        let _ = verifier.verify(&Request { body: b"x", ..STOP }, Some(&forged), NOW);
    }
    assert!(verifier.taken.is_empty());
}

#[test]
fn an_answer_is_bound_to_its_request_status_and_body() {
    let nonce = Nonce([1; 16]);
    let signature = key().sign_answer(nonce, 200, b"done");
    assert!(key().is_answer(nonce, 200, b"done", &signature));
    assert!(!key().is_answer(Nonce([2; 16]), 200, b"done", &signature));
    assert!(!key().is_answer(nonce, 409, b"done", &signature));
    assert!(!key().is_answer(nonce, 200, b"gone", &signature));
    assert!(!key().is_answer(nonce, 200, b"done", &signature[..62]));
    assert!(!key().is_answer(nonce, 200, b"done", ""));
    assert!(!Key::parse(&text("wd1", 0x5b)).unwrap().is_answer(nonce, 200, b"done", &signature));
}

#[test]
fn a_request_that_would_be_ambiguous_is_not_signed() {
    for (field, request) in [
        ("audience", Request { audience: "", ..STOP }),
        ("audience", Request { audience: "de mo", ..STOP }),
        ("method", Request { method: "POST\n", ..STOP }),
        ("target", Request { target: "/ä", ..STOP }),
    ] {
        assert_eq!(key().sign(&request, NOW, Nonce([0; 16])), Err(NotSignable { field }));
    }
}

#[test]
fn a_key_is_a_name_and_at_least_32_bytes() {
    assert_eq!(Key::parse(&format!("  {}\n", text("wd1", 1))).unwrap().id(), "wd1");
    for (bad, error) in [
        ("", KeyError::NoColon),
        ("wd1", KeyError::NoColon),
        (&format!(":{}", "00".repeat(32)), KeyError::Id),
        (&format!("w d:{}", "00".repeat(32)), KeyError::Id),
        (&format!("{}:{}", "w".repeat(65), "00".repeat(32)), KeyError::Id),
        (&format!("wd1:{}", "00".repeat(31)), KeyError::Short),
        (&format!("wd1:{}0", "00".repeat(32)), KeyError::Digits),
        (&format!("wd1:{}", "0G".repeat(32)), KeyError::Digits),
        (&format!("wd1:{}", "AA".repeat(32)), KeyError::Digits),
    ] {
        assert_eq!(Key::parse(bad).err(), Some(error), "{bad}");
    }
    assert_eq!(
        Verifier::new([key(), key()], 0).err().unwrap().to_string(),
        "two keys have the id `wd1`; rename one, on both sides"
    );
}

#[test]
fn no_secret_is_shown() {
    let shown = format!("{:?} {:?}", key(), verifier());
    assert!(shown.contains("wd1") && !shown.contains("5a5a") && !shown.contains("90, 90"), "{shown}");
}

#[test]
fn a_key_file_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wd1.key");
    assert!(matches!(Key::read(&path), Err(KeyFileError::Unreadable { .. })));
    std::fs::write(&path, text("wd1", 1) + "\n").unwrap();
    let mode = |mode: u32| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    for (bits, good) in [(0o600, true), (0o400, true), (0o440, true), (0o644, false), (0o660, false), (0o602, false)] {
        mode(bits);
        let read = Key::read(&path);
        assert_eq!(read.is_ok(), good, "{bits:o}");
        if let Err(error) = read {
            assert!(matches!(error, KeyFileError::Exposed { mode, .. } if mode == bits), "{error}");
        }
    }
    mode(0o600);
    std::fs::write(&path, "wd1:short").unwrap();
    let error = Key::read(&path).err().unwrap().to_string();
    assert!(error.contains("wd1.key") && !error.contains("short\""), "{error}");
    std::fs::write(&path, vec![b'a'; 5000]).unwrap();
    assert!(matches!(Key::read(&path), Err(KeyFileError::NotAKeyFile { .. })));
    assert!(matches!(Key::read(folder.path()), Err(KeyFileError::NotAKeyFile { .. })));
}
