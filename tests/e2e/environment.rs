//! What a component is given, seen from inside it: users and groups, masks, priorities, capabilities, variables.

use crate::system::System;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

/// A user and groups that every Debian has.
const USER: &str = "nobody";

/// What a shell in the component's place sees of itself; written to `seen` in its working directory and then moved into place.
const LOOK: &str = "{ grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|Umask):' /proc/self/status; \
    echo \"Nice: $(cut -d' ' -f19 /proc/self/stat)\"; echo \"Autogroup: $(cat /proc/self/autogroup)\"; \
    echo \"Folder: $(pwd)\"; env | sed 's/^/env /'; } >seen.new 2>&1; mv seen.new seen; exec sleep 1000";

/// A system whose component looks at itself, with these further keys.
fn looking(keys: &str) -> System {
    let mut text = String::from("[[component]]\nname = \"bot\"\norders = \"none\"\nworking_dir = \"own\"\n");
    writeln!(text, "command = [\"/bin/sh\", \"-c\", '''{LOOK}''']\n{keys}").unwrap();
    let system = System::new(&text);
    std::fs::set_permissions(system.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(system.path("own")).unwrap();
    std::fs::set_permissions(system.path("own"), std::fs::Permissions::from_mode(0o777)).unwrap();
    system
}

fn seen(system: &System) -> BTreeMap<String, String> {
    let field = |line: &str| {
        let (name, value) =
            line.split_once(": ").or_else(|| line.split_once(":\t")).or_else(|| line.split_once('='))?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    system.wait_file("own/seen").lines().filter_map(field).collect()
}

fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_user_of_its_own_has_its_groups_and_none_of_roots_powers() {
    if !root() {
        return;
    }
    let mut system = looking(&format!(
        "user = \"{USER}\"\ngroup = \"daemon\"\nsupplementary_groups = [\"audio\", \"29\"]\numask = \"0027\"\nnice = -3\n"
    ));
    system.start();
    let seen = seen(&system);
    let id = |name: &str| nix::unistd::Group::from_name(name).unwrap().unwrap().gid.to_string();
    assert_eq!(seen["Uid"].split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    assert_eq!(seen["Gid"].split_whitespace().collect::<Vec<_>>(), vec![id("daemon"); 4]);
    let groups: Vec<&str> = seen["Groups"].split_whitespace().collect();
    assert!(groups.contains(&id("audio").as_str()) && groups.contains(&"29"), "{groups:?}");
    assert!(!groups.contains(&"0"), "none of root's own: {groups:?}");
    assert_eq!((seen["Umask"].as_str(), seen["Nice"].as_str()), ("0027", "-3"));
    if std::path::Path::new("/proc/self/autogroup").exists() {
        assert!(seen["Autogroup"].ends_with("nice -3"), "{}", seen["Autogroup"]);
    }
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(seen[set], "0000000000000000", "{set}");
    }
    assert_eq!(seen["NoNewPrivs"], "1");
    assert_eq!(seen["env USER"], USER);
    assert_eq!(system.stop(), 0);
}

#[test]
fn listed_capabilities_are_kept_and_no_others() {
    if !root() {
        return;
    }
    let only = "0000000000000400";
    let mut system = looking(&format!("user = \"{USER}\"\ncapabilities = [\"CAP_NET_BIND_SERVICE\"]\n"));
    system.start();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(seen(&system)[set], only, "{set}");
    }
    assert_eq!(system.stop(), 0);

    let mut system = looking("capabilities = [\"CAP_NET_BIND_SERVICE\"]\n");
    system.start();
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(seen(&system)[set], only, "{set}: as root too");
    }
    assert_eq!(system.stop(), 0);

    let mut system = looking("capabilities = []\n");
    system.start();
    assert_eq!(seen(&system)["CapEff"], "0000000000000000");
    assert_eq!(system.stop(), 0);
}

#[test]
fn only_named_variables_are_inherited() {
    let mut system = looking("inherit_env = [\"PATH\", \"LC_*\"]\nenv = { GIVEN = \"1\" }\n");
    system.start_with(&[], &[("LC_TEST", "inherited"), ("SECRET_OF_MINE", "not"), ("GIVEN", "0")]);
    let seen = seen(&system);
    assert_eq!((seen["env LC_TEST"].as_str(), seen["env GIVEN"].as_str()), ("inherited", "1"));
    assert!(seen.contains_key("env PATH") && seen.contains_key("env FAILSTOP_SOCKET"), "{seen:?}");
    assert!(!seen.contains_key("env SECRET_OF_MINE") && !seen.contains_key("env HOME"), "{seen:?}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn failstops_own_secrets_are_inherited_by_no_component() {
    let gate = "[gate]\nmoney = \"USDT\"\n[prices]\nsources = [\"page\"]\n[[account]]\nname = \"main\"\n\
                [[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n\
                [[prices.poll]]\nsource = \"page\"\ninstrument = \"BTC/USDT\"\nurl = \"http://127.0.0.1:9/\"\nlast = \"$.last\"\n\
                headers = [{ name = \"X-Api-Key\", value = { env = \"OF_THE_PAGE\" } }]\n\
                [shared_rates]\nserver = \"127.0.0.1:9\"\ngroup = \"desk\"\npassword = { env = \"OF_THE_GROUP\" }\n\
                [alerts]\nchannels = [\"slack\"]\n[alerts.slack]\nwebhook_url = { env = \"OF_THE_CHANNEL\" }\n";
    let mut system = looking(gate);
    let own = ["OF_THE_PAGE", "OF_THE_GROUP", "OF_THE_CHANNEL"];
    let given: Vec<(&str, &str)> = own.iter().map(|name| (*name, "http://127.0.0.1:9/")).collect();
    system.start_with(&[], &[&given[..], &[("NOBODYS_SECRET", "1")]].concat());
    let seen = seen(&system);
    assert_eq!(seen["env NOBODYS_SECRET"], "1");
    for name in own {
        assert!(!seen.contains_key(&format!("env {name}")), "{name}: {seen:?}");
    }
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_failstop_may_not_give_is_said_by_check_and_refused_at_the_start() {
    if !root() {
        return;
    }
    for (keys, said) in [
        ("nice = -5\n", "nice -5 ranks before the best that failstop may give, which is "),
        ("capabilities = [\"CAP_SYS_TIME\"]\n", "failstop itself does not have CAP_SYS_TIME, so it cannot hand it on"),
        ("supplementary_groups = [\"audio\"]\n", "only root can give it "),
        ("supplementary_groups = [\"no-such-group\"]\n", "there is no group \"no-such-group\""),
    ] {
        let mut system = looking(keys).run_as(65534);
        let check = system.run("check", &["--offline", "--only", "command"]);
        let text = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(check.status.code() == Some(1) && text.contains(said), "{text}");
        system.start_with(&[], &[]);
        assert_eq!(system.wait_end(), 2);
        assert!(system.log().contains(said), "{}", system.log());
        assert!(!system.path("own/seen").exists(), "it was not started");
    }
}

#[test]
fn programs_beside_the_components_have_no_secret_of_failstops_own() {
    let look = |name: &str| format!("[\"/bin/sh\", \"-c\", \"env > {name}~; mv {name}~ {name}\"]");
    let page = "[[metrics.prometheus]]\nname = \"nobody\"\nurl = \"http://127.0.0.1:1/\"\ntake = [{ metric = \"up\" }]\n\
                headers = [{ name = \"K\", value = { env = \"OUR_KEY\" } }]\n";
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\nreadiness = {{ exec = {} }}\n\
         [[dependency]]\nname = \"venue\"\nexec = {}\n[alerts]\nchannels = [\"exec\"]\n[alerts.exec]\ncommand = {}\n\
         [[metrics.command]]\nname = \"one\"\ncommand = {}\n{page}",
        look("ready"),
        look("venue"),
        look("told"),
        look("measured"),
    ));
    system.start_with(&[], &[("OUR_KEY", "s3cret"), ("NOT_SECRET", "7")]);
    system.wait_active();
    let engaged = system.run("kill-switch engage", &["--reason", "to be told"]);
    assert_eq!(engaged.status.code(), Some(0), "{engaged:?}");
    for program in ["ready", "venue", "told", "measured"] {
        let seen = system.wait_file(program);
        assert!(seen.contains("NOT_SECRET=7\n"), "{program}: {seen}");
        assert!(!seen.contains("OUR_KEY") && !seen.contains("s3cret"), "{program}: {seen}");
    }
    // The same where a command asks: what passes there is what runs.
    std::fs::remove_file(system.path("venue")).unwrap();
    let mut check = system.command("check");
    let checked = check.args(["--only", "endpoints"]).env("OUR_KEY", "s3cret").output().unwrap();
    let seen = system.wait_file("venue");
    assert!(!seen.contains("OUR_KEY"), "{seen}\n{checked:?}");
}
