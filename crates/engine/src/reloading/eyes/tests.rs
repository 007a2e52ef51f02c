//! What becomes of a file under random hands: whole versions, torn writes, swapped links, nonsense.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::super::Watch;
use super::*;
use crate::config::{Decision, decide};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

/// A version whose live keys all follow from one number. Its last line is one that it cannot be without, so no beginning of it is a
/// configuration.
fn version(number: u32) -> String {
    format!(
        "[system]\nname = \"demo\"\n[health]\nerrors_per_minute = {number}\n[limits]\ncpu_max_percent = {}\n\
         [[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\nstop_grace = \"{number}s\"\norders = \"asks\"\n",
        number % 100 + 1
    )
}

/// The number that every live key of a configuration agrees on.
#[track_caller]
fn number_of(config: &Config) -> u32 {
    let number = config.health.errors_per_minute;
    assert_eq!(config.limits.cpu_max_percent, number % 100 + 1, "a mixed configuration");
    assert_eq!(config.components[0].stop_grace, Duration::from_secs(u64::from(number)), "a mixed configuration");
    number
}

fn at(ms: u64) -> Monotonic {
    Monotonic::from_nanos(ms * 1_000_000)
}

fn eyes(file: &Path) -> Eyes {
    Eyes::new(file, Overrides::default(), "")
}

#[test]
fn a_change_is_taken_within_a_second_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    fs::write(&file, version(1)).unwrap();
    let mut eyes = eyes(&file);
    eyes.noticed(at(0));
    assert!(eyes.look(at(99)).is_none(), "it has not come to rest");
    assert!(eyes.look(at(100)).is_none(), "one reading is none");
    assert_eq!(eyes.due(), Some(at(200)));
    assert!(matches!(eyes.look(at(200)), Some(Found::Valid(_))));
    assert_eq!(eyes.due(), None);
    eyes.noticed(at(300));
    assert!(eyes.look(at(400)).is_none() && eyes.look(at(500)).is_none(), "it is no other");
    eyes.check(at(600));
    assert_eq!(eyes.due(), None);
    fs::write(&file, version(2)).unwrap();
    eyes.check(at(30_000));
    assert_eq!(eyes.due(), Some(at(30_100)), "seen by looking alone");
}

#[test]
fn what_is_being_written_is_let_come_to_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    let whole = version(1);
    let mut eyes = eyes(&file);
    fs::write(&file, &whole[..50]).unwrap();
    eyes.noticed(at(0));
    assert!(eyes.look(at(100)).is_none());
    // The next part comes between two readings, and nothing tells of it.
    fs::write(&file, &whole).unwrap();
    assert!(eyes.look(at(200)).is_none(), "another than before");
    assert!(matches!(eyes.look(at(300)), Some(Found::Valid(_))));
}

#[test]
fn a_file_that_never_rests_is_told_and_read_once_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    let mut eyes = eyes(&file);
    let mut told = 0;
    for ms in (0..10_500).step_by(100) {
        fs::write(&file, version(u32::try_from(ms / 100).unwrap())).unwrap();
        if ms == 0 {
            eyes.noticed(at(ms));
        }
        match eyes.look(at(ms)) {
            None => {}
            Some(Found::Invalid(wrong)) => {
                assert!(wrong.published.contains("without a rest"), "{wrong:?}");
                told += 1;
            }
            Some(Found::Valid(_)) => panic!("it was changing"),
        }
    }
    assert_eq!(told, 1);
    assert!(matches!(eyes.look(at(10_500)), Some(Found::Valid(_))), "twice the same: it rests");
}

#[test]
fn a_file_that_is_touched_without_end_is_told_and_taken_once_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    fs::write(&file, version(1)).unwrap();
    let mut eyes = eyes(&file);
    let mut told = 0;
    for ms in (0..10_500).step_by(50) {
        eyes.noticed(at(ms));
        match eyes.look(at(ms)) {
            None => {}
            Some(Found::Invalid(wrong)) => {
                assert!(wrong.published.contains("without a rest"), "{wrong:?}");
                told += 1;
            }
            Some(Found::Valid(_)) => panic!("something happened to it just now"),
        }
    }
    assert_eq!(told, 1);
    let mut taken = 0;
    for ms in (10_500..11_500).step_by(50) {
        taken += usize::from(matches!(eyes.look(at(ms)), Some(Found::Valid(_))));
    }
    assert_eq!(taken, 1, "it rests");
}

#[test]
fn what_is_wrong_is_told_once_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    let mut eyes = eyes(&file);
    let mut look = |ms| {
        eyes.noticed(at(ms));
        eyes.look(at(ms + 100)).or_else(|| eyes.look(at(ms + 200)))
    };
    let told = |found| match found {
        Some(Found::Invalid(wrong)) => wrong,
        other => panic!("{other:?}"),
    };
    assert!(told(look(0)).in_full.contains("no such file"), "a vanished file is an invalid one");
    assert!(look(1_000).is_none(), "said once");
    fs::write(&file, version(1).replace("errors_per_minute", "errors_per_minuet")).unwrap();
    let wrong = told(look(2_000));
    for why in [wrong.in_full, wrong.published] {
        assert!(why.contains("f.toml:4:1") && why.contains("did you mean"), "{why}");
    }
    fs::write(&file, version(1)).unwrap();
    assert!(matches!(look(3_000), Some(Found::Valid(_))));
}

#[test]
fn a_line_that_is_wrong_is_shown_to_whoever_asks_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    let mut eyes = eyes(&file);
    for (line, at) in [
        ("env = { VENUE = \"geheim }", "f.toml:12:"),
        ("env.VENUE = geheim", "f.toml:12:"),
        ("env.VENUE: geheim", "f.toml:12:"),
        ("env = { VENUE = 0xdec0de }", "f.toml:12:17"),
        ("env = { V = \"geheim\" }\nstop_graze = \"5s\"", "f.toml:13:1"),
    ] {
        fs::write(&file, format!("{}{line}\n", version(1))).unwrap();
        let Found::Invalid(Wrong { in_full, published }) = eyes.ask(&[]) else { panic!("{line}") };
        assert!(in_full.contains(line.lines().last().unwrap()), "{in_full}");
        assert!(published.contains(at), "{published}");
        assert!(!["geheim", "dec0de", "14598366"].iter().any(|value| published.contains(value)), "{published}");
    }
}

#[test]
fn whoever_asks_is_answered_at_once_with_more_laid_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    fs::write(&file, version(1)).unwrap();
    let mut eyes = eyes(&file);
    let Found::Valid(candidate) = eyes.ask(&["health.errors_per_minute=77".to_owned()]) else { panic!() };
    assert_eq!(candidate.config.health.errors_per_minute, 77);
    assert_eq!(candidate.overrides.set, ["health.errors_per_minute=77"]);
    let Found::Valid(candidate) = eyes.ask(&[]) else { panic!("it is not kept before it is in force") };
    assert_eq!(candidate.config.health.errors_per_minute, 1);
}

#[test]
fn a_later_assignment_of_a_key_takes_the_earlier_ones_place_and_there_is_a_most_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    fs::write(&file, version(1)).unwrap();
    let mut eyes = eyes(&file);
    for number in 0..1_000 {
        let set = ["log.level=debug".to_owned(), format!("health.errors_per_minute={}", number + 1)];
        let Found::Valid(candidate) = eyes.ask(&set) else { panic!() };
        assert_eq!(candidate.config.health.errors_per_minute, number + 1);
        eyes.overrides = candidate.overrides;
    }
    assert_eq!(eyes.overrides.set, ["log.level=debug", "health.errors_per_minute=1000"]);
    // As many keys as there may be, and one more.
    eyes.overrides.set = (0..SET_MAX - 1).map(|index| format!("component.bot.env.V{index}=1")).collect();
    let Found::Valid(candidate) = eyes.ask(&["component.bot.env.LAST=1".to_owned()]) else { panic!() };
    eyes.overrides = candidate.overrides;
    assert_eq!(eyes.overrides.set.len(), SET_MAX);
    let Found::Invalid(Wrong { in_full: why, .. }) = eyes.ask(&["health.errors_per_minute=3".to_owned()]) else {
        panic!("one too many")
    };
    assert!(why.contains("laid over the file") && why.contains("next:"), "{why}");
}

/// What somebody does to the file.
#[derive(Clone, Debug)]
enum Edit {
    /// A whole version takes its place.
    Replace(u32),
    /// A link on its way leads to another folder.
    Swap(u32),
    /// It is written in place, whole.
    InPlace(u32),
    /// It is written in place, up to this share of it (of 1000); the rest comes with the next edit.
    Torn(u32, usize),
    /// Something that is no configuration.
    Nonsense(u8),
    /// It is taken away.
    Remove,
    /// A key changes that needs a restart, and live ones with it.
    Restart(u32),
}

fn edit() -> impl Strategy<Value = Edit> {
    let number = 1..3_000_u32;
    prop_oneof![
        3 => number.clone().prop_map(Edit::Replace),
        3 => number.clone().prop_map(Edit::Swap),
        2 => number.clone().prop_map(Edit::InPlace),
        3 => (number.clone(), 0..1000_usize).prop_map(|(number, cut)| Edit::Torn(number, cut)),
        2 => any::<u8>().prop_map(Edit::Nonsense),
        1 => Just(Edit::Remove),
        1 => number.prop_map(Edit::Restart),
    ]
}

/// A file in a folder that is mounted as a ConfigMap is: `f.toml -> ..data/f.toml`, `..data -> ..N/`.
struct World {
    _folder: tempfile::TempDir,
    root: PathBuf,
    file: PathBuf,
    folders: u32,
    /// What is still to be written in place.
    rest: Option<(PathBuf, String)>,
    watch: Watch,
    eyes: Eyes,
    now: u64,
    /// Whole valid versions that were written, by their digests.
    written: BTreeMap<String, u32>,
    /// What is in force.
    applied: (Arc<Config>, String),
    taken: u32,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let file = root.join("f.toml");
        fs::create_dir(root.join("..0")).unwrap();
        fs::write(root.join("..0/f.toml"), version(1)).unwrap();
        symlink("..0", root.join("..data")).unwrap();
        symlink("..data/f.toml", &file).unwrap();
        let sha256 = digest(&version(1));
        let config = Arc::new(Config::load(&file, &Overrides::default()).unwrap());
        Self {
            watch: Watch::new(&file).unwrap(),
            eyes: Eyes::new(&file, Overrides::default(), &sha256),
            written: BTreeMap::from([(sha256.clone(), 1)]),
            applied: (config, sha256),
            _folder: folder,
            root,
            file,
            folders: 0,
            rest: None,
            now: 0,
            taken: 0,
        }
    }

    fn is_whole(&mut self, text: &str, number: u32) {
        self.written.insert(digest(text), number);
    }

    fn take(&mut self, edit: &Edit) {
        if let Some((path, text)) = self.rest.take() {
            // Whoever wrote half of it writes the other half, wherever the name leads by now.
            if let Ok(mut file) = fs::File::options().append(true).open(path) {
                file.write_all(text.as_bytes()).unwrap();
            }
        }
        match edit {
            Edit::Replace(number) => {
                let text = version(*number);
                self.is_whole(&text, *number);
                fs::write(self.root.join("f.toml~"), &text).unwrap();
                fs::rename(self.root.join("f.toml~"), &self.file).unwrap();
            }
            Edit::Swap(number) => {
                self.folders += 1;
                let (text, name) = (version(*number), format!("..{}", self.folders));
                self.is_whole(&text, *number);
                fs::create_dir(self.root.join(&name)).unwrap();
                fs::write(self.root.join(&name).join("f.toml"), text).unwrap();
                symlink(&name, self.root.join("..data_tmp")).unwrap();
                fs::rename(self.root.join("..data_tmp"), self.root.join("..data")).unwrap();
                // Whatever took its place before: it leads there again.
                symlink("..data/f.toml", self.root.join("f.toml~")).unwrap();
                fs::rename(self.root.join("f.toml~"), &self.file).unwrap();
            }
            Edit::InPlace(number) => {
                let text = version(*number);
                self.is_whole(&text, *number);
                fs::write(&self.file, text).unwrap();
            }
            Edit::Torn(number, share) => {
                let text = version(*number);
                self.is_whole(&text, *number);
                let cut = (text.len() - 2) * share / 1000;
                fs::write(&self.file, &text[..cut]).unwrap();
                let path = self.file.canonicalize().unwrap();
                self.rest = Some((path, text[cut..].to_owned()));
            }
            Edit::Nonsense(which) => {
                let text = match which % 4 {
                    0 => String::new(),
                    1 => version(5).replace("[limits]", "[limits"),
                    2 => version(6).replace("errors_per_minute", "errors"),
                    _ => version(7).replace("cpu_max_percent = 8", "cpu_max_percent = 800"),
                };
                fs::write(&self.file, text).unwrap();
            }
            Edit::Remove => fs::remove_file(&self.file).unwrap_or_default(),
            Edit::Restart(number) => {
                let text = version(*number).replace("name = \"demo\"", "name = \"demo\"\nmode = \"live\"");
                fs::write(self.root.join("f.toml~"), text).unwrap();
                fs::rename(self.root.join("f.toml~"), &self.file).unwrap();
            }
        }
    }

    /// Lets so much time pass, as the thread would, and takes what is found, as the loop would.
    fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        loop {
            if self.watch.happened() {
                self.eyes.noticed(at(self.now));
            }
            let due = self.eyes.due().map(|due| due.as_nanos() / 1_000_000);
            match due.filter(|due| *due <= until) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            if let Some(Found::Valid(candidate)) = self.eyes.look(at(self.now)) {
                match decide(&self.applied.0, &candidate.config) {
                    Decision::Nothing | Decision::Take(_) => {
                        self.taken += 1;
                        self.applied = (candidate.config, candidate.sha256);
                    }
                    Decision::Restart(keys) => assert!(keys.iter().any(|change| change.key == "system.mode")),
                }
            }
            self.judge();
        }
        self.now = until;
        self.judge();
    }

    /// What is in force is exactly one whole version that was written.
    fn judge(&self) {
        let (config, sha256) = &self.applied;
        assert_eq!(Some(&number_of(config)), self.written.get(sha256), "no version that was written");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_in_force_is_always_one_whole_version(edits in prop::collection::vec((edit(), 0..400_u64), 16)) {
        let mut world = World::new();
        for (edit, ms) in &edits {
            world.take(edit);
            world.pass(*ms);
        }
        // Whatever happened, the next whole version is taken, within a second.
        world.take(&Edit::Replace(3_500));
        world.pass(1_000);
        prop_assert_eq!(number_of(&world.applied.0), 3_500);
        prop_assert!(world.taken > 0);
    }
}
