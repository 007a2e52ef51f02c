#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use std::io::{Read, Write};

const GENEROUS: Duration = Duration::from_secs(30);

struct Rig {
    state: tempfile::TempDir,
    output: Output,
    screen: io::PipeReader,
}

fn slot(index: usize) -> Slot {
    Slot::component(index).unwrap()
}

impl Rig {
    fn new(show: bool, rotation: Rotation) -> Self {
        Self::to(true, show, rotation)
    }

    fn to(keep: bool, show: bool, rotation: Rotation) -> Self {
        Self::with_journal(keep, show, rotation, false)
    }

    /// With a journal daemon's socket named `socket` in the state directory, whether or not there is one.
    fn with_journal(keep: bool, show: bool, rotation: Rotation, journal: bool) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (screen, to_screen) = io::pipe().unwrap();
        let settings = Settings {
            state_dir: state.path().to_owned(),
            rotation,
            system: "demo".to_owned(),
            journal: journal.then(|| state.path().join("socket")),
            components: vec!["bot".to_owned(), "scanner".to_owned()],
            keep,
            show,
        };
        let output = Output::start_showing_on(settings, to_screen.into()).unwrap();
        Self { state, output, screen }
    }

    fn stream(&self, index: usize) -> File {
        let stream = File::from(self.output.pipe(slot(index)).unwrap());
        self.output.capture();
        stream
    }

    /// Bytes of a component's logs; a file that is turned over meanwhile may be missed or counted twice.
    fn log_bytes(&self, component: &str) -> u64 {
        let files = log_files(self.state.path(), component);
        files.iter().map(|path| std::fs::metadata(path).map_or(0, |file| file.len())).sum()
    }

    fn finish(self) -> (tempfile::TempDir, String) {
        let Self { state, output, mut screen } = self;
        assert!(output.finish(GENEROUS));
        let mut shown = String::new();
        screen.read_to_string(&mut shown).unwrap();
        (state, shown)
    }
}

#[test]
fn of_a_wallet_only_the_end_is_kept_and_shown() {
    let rig = Rig::new(true, Rotation::default());
    let mut out = rig.stream(0);
    out.write_all(b"paid 0x5aAeb6053F3E94C9b9A09f").unwrap();
    out.write_all(b"33669435E7Ef1BeAed\n").unwrap();
    drop(out);
    rig.output.say("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    let (state, shown) = rig.finish();
    assert_eq!(std::fs::read_to_string(log_path(state.path(), "bot")).unwrap(), "paid …1BeAed\n");
    assert!(shown.contains("| paid …1BeAed\n") && shown.contains("to …DivfNa\n"), "{shown}");
}

#[test]
fn both_streams_end_in_the_components_log_line_by_line() {
    let rig = Rig::new(false, Rotation::default());
    let (mut out, mut err) = (rig.stream(0), rig.stream(0));
    let mut other = rig.stream(1);
    out.write_all(b"half").unwrap();
    err.write_all(b"an error\n").unwrap();
    out.write_all(b" and half\n").unwrap();
    other.write_all(b"no newline at the end").unwrap();
    drop((out, err, other));
    let (state, shown) = rig.finish();
    let log = std::fs::read_to_string(log_path(state.path(), "bot")).unwrap();
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["an error", "half and half"]);
    assert_eq!(std::fs::read_to_string(log_path(state.path(), "scanner")).unwrap(), "no newline at the end\n");
    assert_eq!(shown, "");
}

#[test]
fn no_files_where_none_are_wanted() {
    let rig = Rig::to(false, true, Rotation::default());
    rig.stream(0).write_all(b"a secret\n").unwrap();
    rig.output.note(slot(0), Instance(1), "ended");
    let (state, shown) = rig.finish();
    assert_eq!(shown, "bot     | a secret\n");
    assert!(log_files(state.path(), "bot").is_empty(), "asked for standard output alone");
}

#[test]
fn shown_with_the_components_name_and_without_control_characters() {
    let rig = Rig::new(true, Rotation::default());
    rig.output.say("failstop 0.1.0");
    let mut out = rig.stream(0);
    out.write_all(b"one\n\x1b[31mtwo\ttabbed\n").unwrap();
    drop(out);
    let (state, shown) = rig.finish();
    let mut lines: Vec<_> = shown.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["bot     | ?[31mtwo\ttabbed", "bot     | one", "failstop 0.1.0"]);
    let log = std::fs::read_to_string(log_path(state.path(), "bot")).unwrap();
    assert_eq!(log, "one\n\x1b[31mtwo\ttabbed\n", "the file keeps what was said");
}

#[test]
fn every_line_reaches_the_journal_daemon_and_a_daemon_that_reads_nothing_costs_lines_alone() {
    let rig = Rig::with_journal(false, false, Rotation::default(), true);
    let daemon = std::os::unix::net::UnixDatagram::bind(rig.state.path().join("socket")).unwrap();
    daemon.set_read_timeout(Some(GENEROUS)).unwrap();
    let mut out = rig.stream(0);
    out.write_all(b"one\n<4>two\n{\"level\":\"error\",\"msg\":\"three\"}\n").unwrap();
    rig.output.note(slot(0), Instance(3), "exited by signal 9");
    let mut buffer = vec![0; 4_096];
    let mut said = Vec::new();
    for _ in 0..4 {
        let length = daemon.recv(&mut buffer).unwrap();
        said.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    said.sort();
    for (entry, begins) in said.iter().zip([
        "MESSAGE=-- failstop start 3: exited by signal 9\nPRIORITY=6\n",
        "MESSAGE=one\nPRIORITY=6\n",
        "MESSAGE=three\nPRIORITY=3\n",
        "MESSAGE=two\nPRIORITY=4\n",
    ]) {
        assert!(entry.starts_with(begins) && entry.contains("\nCOMPONENT=bot\n"), "{entry:?}");
    }
    assert_eq!(rig.output.lost(), Lost::default());
    // Nobody reads any more, and the component writes on all the same.
    let line = [[b'x'; 999].as_slice(), b"\n"].concat();
    for _ in 0..20_000 {
        out.write_all(&line).unwrap();
    }
    let until = Instant::now() + GENEROUS;
    while rig.output.lost().from_journal == 0 {
        assert!(Instant::now() < until, "20 MB are in no queue");
        std::thread::yield_now();
    }
    drop(daemon);
}

#[test]
fn without_a_journal_daemon_the_files_have_it_all() {
    let rig = Rig::with_journal(true, false, Rotation::default(), true);
    rig.stream(0).write_all(b"kept\n").unwrap();
    let until = Instant::now() + GENEROUS;
    while rig.output.lost().from_journal != 4 {
        assert!(Instant::now() < until, "{:?}", rig.output.lost());
        std::thread::yield_now();
    }
    let text = rig.output.lost().since(Lost::default());
    assert_eq!(text, "4 bytes did not reach the journal daemon: it is away or too slow");
    let (state, _) = rig.finish();
    assert_eq!(std::fs::read_to_string(log_path(state.path(), "bot")).unwrap(), "kept\n");
}

#[test]
fn what_a_dying_component_said_last_is_kept() {
    let rig = Rig::new(false, Rotation::default());
    let out = rig.stream(0);
    let mut child = std::process::Command::new("sh")
        .args(["-c", "echo last words >&2; kill -9 $$"])
        .stderr(std::process::Stdio::from(out))
        .spawn()
        .unwrap();
    child.wait().unwrap();
    rig.output.note(slot(0), Instance(3), "exited by signal 9");
    let (state, _) = rig.finish();
    let log = std::fs::read_to_string(log_path(state.path(), "bot")).unwrap();
    assert!(log.contains("last words\n"), "{log}");
    assert!(log.contains("-- failstop 2") && log.contains(" start 3: exited by signal 9\n"), "{log}");
}

#[test]
fn a_reader_that_never_reads_holds_up_neither_bot_nor_files() {
    let rig = Rig::new(true, Rotation::default());
    let mut out = rig.stream(0);
    // Far more than the screen's pipe and queue hold; nobody reads that pipe.
    let line = [[b'x'; 99].as_slice(), b"\n"].concat();
    let total = 40_000 * line.len();
    for _ in 0..40_000 {
        out.write_all(&line).unwrap();
    }
    drop(out);
    let path = log_path(rig.state.path(), "bot");
    let until = Instant::now() + GENEROUS;
    loop {
        let lost = usize::try_from(rig.output.lost().from_files).unwrap();
        let size = usize::try_from(std::fs::metadata(&path).map_or(0, |file| file.len())).unwrap();
        if lost == 0 && size == total || lost > 0 && size > 0 {
            break;
        }
        assert!(Instant::now() < until, "{size} of {total} bytes arrived, {lost} lost");
        std::thread::yield_now();
    }
    assert!(rig.output.lost().from_screen > 0);
    let Rig { output, screen, .. } = rig;
    assert!(!output.finish(Duration::from_millis(20)), "the screen is still blocked, and that holds nobody up");
    drop(screen);
}

#[test]
fn a_disk_that_refuses_costs_output_and_nothing_else() {
    let rig = Rig::new(false, Rotation::default());
    // A directory in the log's place: no write to it can succeed.
    let path = log_path(rig.state.path(), "bot");
    std::fs::create_dir_all(&path).unwrap();
    let mut out = rig.stream(0);
    out.write_all(b"lost\n").unwrap();
    let until = Instant::now() + GENEROUS;
    while rig.output.lost().from_files != 5 {
        assert!(Instant::now() < until, "{:?}", rig.output.lost());
        std::thread::yield_now();
    }
    std::fs::remove_dir(&path).unwrap();
    out.write_all(b"kept\n").unwrap();
    drop(out);
    let (state, _) = rig.finish();
    let log = std::fs::read_to_string(log_path(state.path(), "bot")).unwrap();
    assert!(log.starts_with("-- failstop: 5 bytes of output were lost: "), "{log}");
    assert!(log.ends_with("\nkept\n"), "{log}");
}

#[test]
fn a_component_that_writes_for_ever_does_not_hold_up_the_end() {
    let rig = Rig::new(false, Rotation { max_bytes: 100_000, keep: 2 });
    let out = rig.stream(0);
    let mut child = std::process::Command::new("yes").stdout(std::process::Stdio::from(out)).spawn().unwrap();
    let until = Instant::now() + GENEROUS;
    while log_files(rig.state.path(), "bot").len() < 2 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    assert!(rig.log_bytes("bot") <= 300_000);
    let (state, _) = rig.finish();
    child.kill().unwrap();
    child.wait().unwrap();
    for path in log_files(state.path(), "bot") {
        assert!(std::fs::metadata(&path).unwrap().len() <= 100_000, "{}", path.display());
    }
}

#[test]
fn a_slot_without_a_component_is_an_error() {
    let rig = Rig::new(false, Rotation::default());
    assert!(rig.output.pipe(Slot::SYSTEM).is_err());
    match rig.output.pipe(slot(2)) {
        Err(error) => assert!(error.to_string().contains("no component"), "{error}"),
        Ok(_) => panic!("there are two components only"),
    }
}
