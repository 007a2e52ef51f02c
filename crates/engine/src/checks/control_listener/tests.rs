#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use crate::checks::{CheckResult, Options, Outcome, run};
use crate::config::{Config, Overrides};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// A key, and a certificate that runs out at the end of this year of our era.
    fn until(year: i32) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        world.file("cert.pem", &params.self_signed(&key).unwrap().pem());
        world.file("key.pem", &key.serialize_pem());
        world.file("wd1.key", &format!("wd1:{}\n", "5a".repeat(32)));
        world
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
        self.mode(name, 0o600);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn results(&self, control: &str) -> Vec<CheckResult> {
        let rest =
            "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"/bin/true\"]\norders = \"asks\"\n";
        self.file("failstop.toml", &format!("{rest}{control}"));
        let config = Config::load(&self.dir.path().join("failstop.toml"), &Overrides::default()).unwrap();
        run(&config, &Options { only: vec!["control".to_owned()], ..Options::default() }).unwrap().results
    }

    /// The outcomes, and everything that is said.
    fn said(&self, listen: &str) -> (Vec<Outcome>, String) {
        let tls = "tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\nkeys = [\"wd1.key\"]\n";
        let results = self.results(&format!("[control]\nlisten = \"{listen}\"\n{tls}"));
        let text: Vec<String> = results.iter().map(|one| format!("{}: {}", one.reason, one.remedy)).collect();
        (results.iter().map(|one| one.outcome).collect(), text.join("\n"))
    }
}

const PASSED: Outcome = Outcome::Passed;

#[test]
fn what_is_off_is_well() {
    let results = World::until(2200).results("");
    assert_eq!(results.len(), 1);
    assert_eq!((results[0].outcome, results[0].reason.as_str()), (PASSED, "the control listener is off"));
}

#[test]
fn a_good_one_says_until_when() {
    let (outcomes, said) = World::until(2200).said("127.0.0.1:0");
    assert_eq!(outcomes, [PASSED, PASSED, PASSED], "{said}");
    assert!(said.contains("1 watchdog key, private") && said.contains("good until 2200-12-31T00:00:00.000Z"), "{said}");
}

#[test]
fn a_certificate_that_ran_out_or_soon_will_is_a_warning() {
    let (outcomes, said) = World::until(2001).said("127.0.0.1:0");
    assert_eq!(outcomes, [PASSED, Outcome::Warning, PASSED], "{said}");
    assert!(said.contains("ran out on 2001-12-31"), "{said}");
    let world = World::until(2200);
    let cert = world.dir.path().join("cert.pem");
    let end = crate::doors::tls::not_after(&cert).unwrap();
    let at = |time: &str| super::validity(&cert, end, time.parse().unwrap(), "watchdogs");
    assert_eq!(at("2200-12-09T00:00:00Z").outcome, PASSED);
    let soon = at("2200-12-11T00:00:00Z");
    assert!(soon.outcome == Outcome::Warning && soon.reason.contains("runs out on 2200-12-31"), "{soon:?}");
}

#[test]
fn what_others_may_read_or_nobody_can_fails_with_the_remedy() {
    let world = World::until(2200);
    world.mode("wd1.key", 0o644);
    let (outcomes, said) = world.said("127.0.0.1:0");
    assert_eq!(outcomes, [Outcome::Failed, PASSED, PASSED], "{said}");
    assert!(said.contains("mode 0644") && said.contains(": chmod 600"), "{said}");
    world.mode("wd1.key", 0o600);
    world.mode("key.pem", 0o604);
    let (outcomes, said) = world.said("127.0.0.1:0");
    assert_eq!(outcomes, [PASSED, Outcome::Failed, PASSED], "{said}");
    assert!(said.contains("key.pem may be read or changed by others (mode 0604)"), "{said}");
    fs::remove_file(world.dir.path().join("cert.pem")).unwrap();
    let (outcomes, said) = world.said("127.0.0.1:0");
    assert!(outcomes.contains(&Outcome::Failed) && said.contains("cert.pem cannot be read"), "{said}");
}

#[test]
fn a_taken_port_and_a_foreign_address_are_warnings() {
    let world = World::until(2200);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (outcomes, said) = world.said(&taken.local_addr().unwrap().to_string());
    assert_eq!(outcomes, [PASSED, PASSED, Outcome::Warning], "{said}");
    assert!(said.contains("in use by another program"), "{said}");
    let (outcomes, said) = world.said("192.0.2.1:8443");
    assert_eq!(outcomes, [PASSED, PASSED, Outcome::Warning], "{said}");
    assert!(said.contains("cannot be bound"), "{said}");
}

#[test]
fn tokens_are_there_and_private_and_users_with_a_role_exist() {
    let world = World::until(2200);
    let digest = failstop_client::token::Token::of([1; 32]).digest();
    let control = "[control]\nlisten = \"127.0.0.1:0\"\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n\
                   token_file = \"tokens\"\nviewers = [\"no-such-user-here\"]\n";
    let said = || {
        let results = world.results(control);
        let text: Vec<String> = results.iter().map(|one| format!("{}: {}", one.reason, one.remedy)).collect();
        (results.iter().map(|one| one.outcome).collect::<Vec<_>>(), text.join("\n"))
    };
    let (outcomes, text) = said();
    assert_eq!(outcomes, [Outcome::Warning, Outcome::Failed, PASSED, PASSED], "{text}");
    assert!(text.contains("\"no-such-user-here\", whom this host does not know"), "{text}");
    assert!(text.contains("`failstop token new NAME --role ROLE` makes it"), "{text}");
    world.file("tokens", "# nobody yet\n");
    let (outcomes, text) = said();
    assert_eq!(outcomes, [Outcome::Warning, Outcome::Warning, PASSED, PASSED], "{text}");
    world.file("tokens", &format!("ana admin sha256:{digest}\nbob viewer sha256:{digest}\n"));
    let (outcomes, text) = said();
    assert_eq!(outcomes, [Outcome::Warning, PASSED, PASSED, PASSED], "{text}");
    assert!(text.contains("2 tokens"), "{text}");
    world.mode("tokens", 0o644);
    let (outcomes, text) = said();
    assert_eq!(outcomes, [Outcome::Warning, Outcome::Failed, PASSED, PASSED], "{text}");
    assert!(text.contains("(mode 0644): chmod 600"), "{text}");
}
