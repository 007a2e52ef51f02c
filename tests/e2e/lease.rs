//! The right to trade runs out by itself: a frozen engine closes the gate by doing nothing.

use crate::system::{System, signal};
use failstop_client::permit::{Denial, Intent, PermitPage, Verdict};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn boottime_us() -> u64 {
    failstop_client::permit::host::boottime_ns().unwrap() / 1_000
}

#[test]
fn a_frozen_engine_denies_no_later_than_the_lease() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    let permit = PermitPage::open(&system.path("run/permit")).unwrap();
    assert_eq!(permit.check(1, Intent::Open), Verdict::Paper);
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    let frozen = boottime_us();
    system.until("the lease's end", || (!permit.check(1, Intent::Open).allows()).then_some(()));
    assert_eq!(permit.check(1, Intent::Open), Verdict::Denied(Denial::Expired));
    // The word itself says when it ended, however late this test looked.
    let deadline = permit.word(1).unwrap().deadline_us();
    assert!(deadline <= frozen + permit.lease_us(), "{deadline} against {frozen} + {}", permit.lease_us());
    signal(engine, libc::SIGCONT);
    system.wait_status("trading again", |_| permit.check(1, Intent::Open).allows());
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_flooded_bot_socket_never_holds_up_the_renewal() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    let permit = PermitPage::open(&system.path("run/permit")).unwrap();
    let socket = system.path("run/bot.sock");
    let end = Instant::now() + Duration::from_secs(6);
    let flood = |bytes: Vec<u8>| {
        let socket = socket.clone();
        std::thread::spawn(move || {
            while Instant::now() < end {
                let Ok(mut stream) = UnixStream::connect(&socket) else { continue };
                stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                for _ in 0..50 {
                    if stream.write_all(&bytes).is_err() {
                        break;
                    }
                    let _ = stream.read(&mut [0; 64]);
                }
            }
        })
    };
    let idle: Vec<UnixStream> = (0..1_000).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
    assert!(idle.len() > 900, "{}", idle.len());
    let threads = vec![
        flood(b"\x00\xff garbage }{\n".repeat(100)),
        flood(vec![b'x'; 10 << 20]),
        flood(b"{\"type\":\"heartbeat\"".to_vec()),
        flood(b"{\"type\":\"permission?\",\"id\":1}\n".repeat(1_000)),
    ];
    let mut checks = 0_u32;
    while Instant::now() < end {
        assert!(permit.check(1, Intent::Open).allows(), "denied after {checks} checks; log:\n{}", system.log());
        checks += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    drop(idle);
    let status = system.wait_answer();
    assert_eq!(status["permit_lapses"], 0);
    assert_eq!(system.stop(), 0);
}
