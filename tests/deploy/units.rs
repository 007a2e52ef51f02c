//! The units, as systemd reads them without running: no key that it does not know, no value that it would ignore, and the
//! settings that failstop's promises rest on.

use crate::files::{below, good, read, root, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

/// Every unit, with an instance where it is a template.
const UNITS: [&str; 5] = [
    "failstop@demo.service",
    "failstop-watchdog.service",
    "failstop-actuate.service",
    "failstop-verify@demo.service",
    "failstop-verify@demo.timer",
];

/// A root with the units in it and stand-ins for the programs that they start.
fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let units = tree.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&units).unwrap();
    // The targets that every unit refers to; the machine's own.
    for entry in fs::read_dir("/usr/lib/systemd/system").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "target") && path.is_file() {
            fs::copy(&path, units.join(path.file_name().unwrap())).unwrap();
        }
    }
    for file in below("deploy/systemd", ".service").iter().chain(&below("deploy/systemd", ".timer")) {
        let file = root().join(file);
        fs::copy(&file, units.join(file.file_name().unwrap())).unwrap();
    }
    for program in ["usr/bin/failstop", "usr/bin/failstop-watchdog", "bin/kill"] {
        let path = tree.path().join(program);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    tree
}

fn verify(tree: &Path) -> Output {
    let root = format!("--root={}", tree.display());
    run("systemd-analyze", &[&["--man=no", &root, "verify"], UNITS.as_slice()].concat())
}

#[test]
fn systemd_knows_every_key_and_every_value() {
    let tree = tree();
    assert_eq!(good(&verify(tree.path())), "");

    // It says what it does not know, and says it here.
    let unit = tree.path().join("usr/lib/systemd/system/failstop@.service");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("KillMode=mixed", "KillMood=mixed")).unwrap();
    let output = verify(tree.path());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Unknown key 'KillMood'"), "{output:?}");
}

/// The value of each key in a section; a key that comes twice has both.
fn settings(unit: &str, key: &str) -> Vec<String> {
    let text = read(&format!("deploy/systemd/{unit}"));
    text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned).collect()
}

#[track_caller]
fn says(unit: &str, wanted: &[(&str, &str)]) {
    for (key, value) in wanted {
        assert_eq!(settings(unit, key), [*value], "{unit}: {key}");
    }
}

#[test]
fn the_engines_unit_leaves_stopping_to_the_guard_and_lowers_nothing() {
    says(
        "failstop@.service",
        &[
            ("Type", "notify"),
            ("NotifyAccess", "main"),
            ("KillMode", "mixed"),
            ("Delegate", "yes"),
            ("OOMPolicy", "continue"),
            ("Restart", "on-failure"),
            ("RestartForceExitStatus", "8"),
            ("RestartPreventExitStatus", "2 4 5"),
            ("StartLimitIntervalSec", "300"),
            ("StartLimitBurst", "5"),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
        ],
    );
    for key in ["Nice", "CPUQuota", "CPUWeight", "MemoryMax", "IOSchedulingClass", "ProtectControlGroups"] {
        assert!(settings("failstop@.service", key).is_empty(), "{key} would be the bots' too");
    }
}

#[test]
fn the_watchdogs_unit_is_capped() {
    says(
        "failstop-watchdog.service",
        &[
            ("MemoryMax", "100M"),
            ("CPUQuota", "1%"),
            ("Nice", "10"),
            ("IOSchedulingClass", "idle"),
            ("Restart", "always"),
            ("RestartSec", "10"),
            ("StartLimitIntervalSec", "300"),
            ("StartLimitBurst", "5"),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
        ],
    );
    says("failstop-actuate.service", &[("KillMode", "process"), ("NoNewPrivileges", "yes")]);
}

/// What `systemd-analyze security` of systemd 252 says, as the guide has it: 0 is closed, 10 is open.
const EXPOSURE: [(&str, f64); 4] = [
    ("failstop@.service", 2.7),
    ("failstop-watchdog.service", 1.5),
    ("failstop-actuate.service", 2.9),
    ("failstop-verify@.service", 1.7),
];

/// How much more a later systemd may say, which knows of more that could be closed.
const LATER: f64 = 0.4;

#[test]
fn no_unit_is_more_open_than_the_guide_says() {
    let guide = read("docs/guide/systemd.md");
    for (unit, most) in EXPOSURE {
        let path = format!("deploy/systemd/{unit}");
        let said = good(&run("systemd-analyze", &["--no-pager", "security", "--offline=true", &path]));
        let line = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
        let found: f64 = line.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        assert!(found <= most + LATER, "{unit}: {found}, and the guide says {most}:\n{said}");
        assert!(
            guide.contains(&format!("| `{unit}` | {most} |")),
            "docs/guide/systemd.md does not say {most} of {unit}"
        );
    }
}
