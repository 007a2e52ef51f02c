//! Writes the time of its first instruction, for the benches: 8 bytes of CLOCK_MONOTONIC nanoseconds, little endian, to the
//! end of the file named by the first argument; then stays until it is ended. With a second argument N it beats on the bot
//! socket every N milliseconds.

use std::io::Write;
use std::time::Duration;

fn main() {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let nanos = u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0);
    let mut arguments = std::env::args().skip(1);
    if let Some(path) = arguments.next()
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let written = file.write_all(&nanos.to_le_bytes());
        drop(written);
    }
    let every = arguments.next().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let socket = std::env::var_os("FAILSTOP_SOCKET").map(std::os::unix::net::UnixStream::connect);
    if let (Some(every), Some(Ok(mut socket))) = (every, socket) {
        while socket.write_all(b"{\"type\":\"heartbeat\"}\n").is_ok() {
            std::thread::sleep(every);
        }
    }
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
