#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::lookup::find_in;
use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

struct Host {
    root: tempfile::TempDir,
    places: Places,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for dir in ["run", "xdg", "shm", "users", "state"] {
            std::fs::create_dir(at(dir)).unwrap();
        }
        std::fs::set_permissions(at("shm"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        let places = Places {
            run: at("run/failstop"),
            xdg: Some(at("xdg")),
            users: at("users"),
            shm: at("shm"),
            uid: nix::unistd::geteuid().as_raw(),
        };
        Self { root, places }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn prepare(&self, configured: Option<&Path>) -> Result<RuntimeDir, RuntimeDirError> {
        let state = self.at("state");
        let request =
            Request { system: "demo", configured, state_dir: &state, components: &["bot"], access: Access::Private };
        RuntimeDir::prepare_in(&request, &self.places)
    }
}

#[test]
fn what_of_it_is_gone_is_said() {
    let host = Host::new();
    let runtime = host.prepare(None).unwrap();
    let files = [runtime.permit(), runtime.bot_socket(), runtime.control_socket()];
    for file in &files {
        std::fs::write(file, "").unwrap();
    }
    assert_eq!(runtime.missing(), None);
    for file in &files {
        std::fs::remove_file(file).unwrap();
        assert_eq!(runtime.missing(), Some(format!("{} is gone", file.display())));
        std::fs::write(file, "").unwrap();
    }
    let path = runtime.path().to_owned();
    std::fs::rename(&path, path.with_extension("old")).unwrap();
    assert_eq!(runtime.missing(), Some(format!("{} is gone", path.display())));
    // One that another engine, or a tidy rule, made in its place is not the one that components have.
    std::fs::create_dir(&path).unwrap();
    assert_eq!(runtime.missing(), Some(format!("another directory is at {}", path.display())));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn info(host: &Host, runtime_dir: &Path, state_dir: &Path) -> EngineInfo {
    EngineInfo {
        system: "demo".to_owned(),
        jid: "0".repeat(32),
        mark: format!("demo/{}", "0".repeat(32)),
        epoch: 7,
        engine: ProcessRef::this().unwrap(),
        guard: None,
        boot_id: EngineInfo::this_boot(),
        state_dir: state_dir.to_owned(),
        runtime_dir: runtime_dir.to_owned(),
        cgroup: None,
        control_socket: host.at("control.sock"),
        observe: Some("127.0.0.1:8080".to_owned()),
        control: None,
        version: "0.1.0".to_owned(),
        started: "2026-11-03T09:14:07Z".to_owned(),
    }
}

#[test]
fn the_order_of_places() {
    let host = Host::new();
    assert_eq!(host.prepare(None).unwrap().path(), host.at("run/failstop/demo"));
    assert_eq!(mode(&host.at("run/failstop/demo")), 0o700);

    let mut host = Host::new();
    host.places.run = host.at("nowhere/failstop");
    assert_eq!(host.prepare(None).unwrap().path(), host.at("xdg/failstop/demo"));
    host.places.xdg = None;
    let shm = host.at(&format!("shm/failstop-{}", host.places.uid));
    assert_eq!(host.prepare(None).unwrap().path(), shm.join("demo"));
    assert_eq!((mode(&shm), mode(&shm.join("demo"))), (0o700, 0o700));

    host.places.shm = host.at("nowhere");
    let last = host.prepare(None).unwrap();
    assert_eq!(last.path(), host.at("state/run"));
    assert!(last.notes()[0].contains("no memory-backed place"), "{:?}", last.notes());
}

#[test]
fn the_configured_place_wins_and_is_made_private() {
    let host = Host::new();
    let configured = host.at("some/where");
    std::fs::create_dir_all(&configured).unwrap();
    std::fs::set_permissions(&configured, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(host.prepare(Some(&configured)).unwrap().path(), configured);
    assert_eq!(mode(&configured), 0o700);
}

#[test]
fn what_others_could_forge_is_refused() {
    let host = Host::new();
    std::fs::write(host.at("real"), "").unwrap();
    symlink(host.at("real"), host.at("link")).unwrap();
    assert!(matches!(host.prepare(Some(&host.at("link"))), Err(RuntimeDirError::NotADirectory { .. })));
    std::fs::create_dir(host.at("dir")).unwrap();
    symlink(host.at("dir"), host.at("dirlink")).unwrap();
    assert!(matches!(host.prepare(Some(&host.at("dirlink"))), Err(RuntimeDirError::NotADirectory { .. })));

    std::fs::create_dir(host.at("open")).unwrap();
    std::fs::set_permissions(host.at("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    match host.prepare(Some(&host.at("open/demo"))) {
        Err(RuntimeDirError::Replaceable { ancestor, .. }) => assert_eq!(ancestor, host.at("open")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_squatter_in_a_public_place_is_refused_and_not_walked_around() {
    // Seen from another user, everything made here is somebody else's.
    let mut host = Host::new();
    host.places.run = host.at("nowhere/failstop");
    host.places.xdg = None;
    let us = host.places.uid;
    host.places.uid = us + 1;
    std::fs::create_dir(host.places.shm_base(us + 1)).unwrap();
    match host.prepare(None) {
        Err(RuntimeDirError::Foreign { owner, .. }) => assert_eq!(owner, us),
        other => panic!("{other:?}"),
    }
    // The administrator's own place for somebody else is passed over instead.
    let mut host = Host::new();
    host.places.uid = us + 1;
    std::fs::create_dir_all(host.at("run/failstop/demo")).unwrap();
    host.places.xdg = None;
    host.places.shm = host.at("nowhere");
    match host.prepare(None) {
        Err(RuntimeDirError::Foreign { path, .. }) => assert_eq!(path, host.at("state/run")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn socket_paths_that_do_not_fit_are_refused_with_their_length() {
    let host = Host::new();
    let base = host.root.path().as_os_str().len();
    // DIR + "/" + name + "/notify-bot.sock"
    let fits = host.at(&"x".repeat(MAX_SOCKET_PATH - base - 1 - "/notify-bot.sock".len()));
    let long = host.at(&"x".repeat(MAX_SOCKET_PATH - base - "/notify-bot.sock".len()));
    let dir = host.prepare(Some(&fits)).unwrap();
    std::os::unix::net::UnixDatagram::bind(dir.notify_socket("bot")).unwrap();
    match host.prepare(Some(&long)) {
        Err(error @ RuntimeDirError::PathTooLong { length: 108, .. }) => {
            assert!(error.to_string().contains("108 bytes"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_one_engine_holds_it() {
    let host = Host::new();
    let first = host.prepare(None).unwrap();
    info(&host, first.path(), &host.at("state")).publish().unwrap();
    match host.prepare(None) {
        Err(error @ RuntimeDirError::InUse { .. }) => assert!(error.to_string().contains("state"), "{error}"),
        other => panic!("{other:?}"),
    }
    drop(first);
    assert!(host.prepare(None).is_ok());
}

#[test]
fn clearing_leaves_the_permit() {
    let host = Host::new();
    let dir = host.prepare(None).unwrap();
    for name in ["bot.sock", "notify-x.sock", "engine.json", "permit", "permit.new", "other"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    dir.clear();
    let mut left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["other", "permit"]);
}

#[test]
fn an_engine_is_found_and_told_from_a_stale_file() {
    let host = Host::new();
    let dir = host.prepare(None).unwrap();
    let mut written = info(&host, dir.path(), &host.at("state"));
    written.publish().unwrap();
    assert_eq!(EngineInfo::read(dir.path()).unwrap(), written);
    assert_eq!(EngineInfo::read(&host.at("state")).unwrap(), written);
    assert_eq!(written.engine_state(), EngineState::Running);

    written.engine.start_time += 1;
    assert_eq!(written.engine_state(), EngineState::Gone, "another process has the number by now");
    written.engine.start_time -= 1;
    written.boot_id = "another boot".to_owned();
    assert_eq!(written.engine_state(), EngineState::Gone);

    written.withdraw();
    assert!(matches!(EngineInfo::read(dir.path()), Err(InfoError::Missing { .. })));
    std::fs::write(dir.path().join("engine.json"), "{").unwrap();
    assert!(matches!(EngineInfo::read(dir.path()), Err(InfoError::Malformed { .. })));
}

#[test]
fn a_stopped_process_is_seen_as_frozen() {
    let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let process = ProcessRef::of(pid).unwrap().unwrap();
    assert_eq!(process.state(), ProcessState::Alive);
    let raw = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(raw, nix::sys::signal::Signal::SIGSTOP).unwrap();
    nix::sys::wait::waitpid(raw, Some(nix::sys::wait::WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(process.state(), ProcessState::Stopped);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(process.state(), ProcessState::Gone);
}

#[test]
fn the_last_word_of_a_life_stays_until_the_next_begins() {
    let host = Host::new();
    let dir = host.prepare(None).unwrap();
    let state = host.at("state");
    let info = info(&host, dir.path(), &state);
    let end = EngineEnd {
        mark: info.mark.clone(),
        epoch: info.epoch,
        kind: failstop_client::status::EndKind::Stop,
        by: "ana (1000)".to_owned(),
        reason: "new disk".to_owned(),
        at: "2026-11-10T01:33:07Z".to_owned(),
        state_dir: state.clone(),
    };
    let left = || [dir.path(), &state].map(|dir| std::fs::read(dir.join("ended.json")).ok());
    info.publish().unwrap();
    end.publish(&info).unwrap();
    info.withdraw();
    dir.clear();
    for text in left() {
        assert_eq!(serde_json::from_slice::<EngineEnd>(&text.unwrap()).unwrap(), end);
    }
    info.publish().unwrap();
    assert_eq!(left(), [None, None]);

    // Where one of the two cannot be written, the other is all the same.
    let gone = EngineInfo { runtime_dir: host.at("none"), ..info };
    assert!(end.publish(&gone).is_err());
    assert_eq!(left().map(|text| text.is_some()), [false, true]);
}

#[test]
fn candidates_are_found_from_whatever_is_known() {
    let host = Host::new();
    let dir = host.prepare(None).unwrap();
    let state = host.at("state");
    info(&host, dir.path(), &state).publish().unwrap();
    let found = |lookup: &Lookup<'_>| find_in(lookup, &host.places).dirs;

    let by_name = Lookup { system: Some("demo"), ..Lookup::default() };
    assert_eq!(found(&by_name), [dir.path()]);
    let by_state = Lookup { state_dir: Some(&state), ..Lookup::default() };
    assert_eq!(found(&by_state), [dir.path()]);
    std::fs::remove_file(state.join("engine.json")).unwrap();
    assert_eq!(found(&by_state), [dir.path()], "by what the runtime directory says of its state directory");
    let by_path = Lookup { runtime_dir: Some(dir.path()), ..Lookup::default() };
    assert_eq!(found(&by_path), [dir.path()]);
    assert!(found(&Lookup::default()).is_empty());

    // Another system of the same name is left alone.
    let other = host.at("other-state");
    std::fs::create_dir(&other).unwrap();
    let by_both = Lookup { system: Some("demo"), state_dir: Some(&other), ..Lookup::default() };
    assert!(found(&by_both).is_empty());
    assert_eq!(found(&Lookup { runtime_dir: Some(dir.path()), ..by_both }), [dir.path()], "unless it was named");
}

#[test]
fn what_anybody_may_have_put_there_is_no_candidate() {
    // A user other than the caller and the owner of the state directory.
    const STRANGER: u32 = 12_345;
    let host = Host::new();
    let state = host.at("state");
    let base = host.places.shm_base(host.places.uid);
    let planted = base.join("demo");
    std::fs::create_dir_all(&planted).unwrap();
    let lookup = Lookup { system: Some("demo"), state_dir: Some(&state), ..Lookup::default() };
    let found = || find_in(&lookup, &host.places).dirs;
    assert_eq!(found(), [planted.as_path()]);
    if host.places.uid == 0 {
        let give = |path: &Path| std::os::unix::fs::lchown(path, Some(STRANGER), None).unwrap();
        give(&planted);
        assert_eq!(found(), [planted.as_path()], "its place is closed to others: whoever may write there gave it away");
        give(&base);
        assert!(found().is_empty(), "planted");
        let ignored = find_in(&lookup, &host.places).ignored;
        assert_eq!(ignored, [Ignored { path: planted.clone(), owner: STRANGER }]);
        assert!(
            ignored[0].to_string().ends_with("is ignored: user 12345 may have put it there to speak for the system")
        );
        // A link of a stranger's to a directory that is not.
        std::fs::rename(&base, host.at("real")).unwrap();
        symlink(host.at("real"), &base).unwrap();
        give(&base);
        assert!(found().is_empty(), "through a link");
        let named = Lookup { runtime_dir: Some(&planted), ..lookup };
        assert_eq!(find_in(&named, &host.places).dirs, [planted.as_path()], "whoever names it knows");
    }
}
