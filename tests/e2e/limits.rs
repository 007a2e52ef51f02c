//! Resource limits, with programs that use too much: each is asked, restarted, and left down when it does it again, while the
//! permit is renewed in time all along. Every hog is bounded by itself, too: so much memory, so many processes, so long.

use crate::system::System;
use serde_json::Value;
use std::fs;

/// A component that is judged every second.
fn judged(limits: &str, command: &str) -> System {
    System::new(&format!(
        "[limits]\nsample_every = \"1s\"\n[[component]]\nname = \"bot\"\ncommand = {command}\norders = \"asks\"\n\
         stop_grace = \"1s\"\nlimits = {limits}\n"
    ))
}

fn about(cause: &'static str) -> impl Fn(&Value) -> bool {
    move |halt| halt["cause"] == cause
}

/// The whole ladder: held and asked, stopped, started again, and the next time left down.
#[track_caller]
fn climbs(system: &System, evidence: &str) -> Value {
    let held = system.wait_record(1, "halt.raised", about("reclaiming"));
    assert!(held["b"]["evidence"].as_str().unwrap().contains(evidence), "{held}");
    assert_eq!((held["b"]["scope"].as_str(), held["b"]["latched"].as_bool()), (Some("component"), Some(false)));
    let from = held["seq"].as_u64().unwrap();
    let stopping = system.wait_record(from, "component.stopping", |_| true);
    assert!(stopping["b"]["reason"].as_str().unwrap().contains("did not give back"), "{stopping}");
    let exited = system.wait_record(from, "component.exited", |_| true);
    assert_eq!((&exited["b"]["requested"], &exited["b"]["failure"]), (&false.into(), &true.into()), "{exited}");
    let from = exited["seq"].as_u64().unwrap();
    system.wait_record(from, "component.started", |_| true);
    let failed = system.wait_record(from, "halt.raised", about("component-failed"));
    assert!(failed["b"]["evidence"].as_str().unwrap().contains("again within 5 min"), "{failed}");
    let status = system.wait_status("left down", |status| status["components"][0]["state"] == "failed");
    assert_eq!((status["permission"].as_str(), status["permit_lapses"].as_u64()), (Some("shutdown"), Some(0)));
    status
}

#[test]
fn one_that_takes_too_much_memory_climbs_the_ladder_and_the_lease_never_lapses() {
    let mut system = judged(
        "{ memory_max = \"60MB\" }",
        "[\"stress-ng\", \"--vm\", \"1\", \"--vm-bytes\", \"120M\", \"--vm-keep\", \"--timeout\", \"60s\", \"--temp-path\", \"DIR\"]",
    );
    system.start();
    climbs(&system, "of memory, its limit is 60 MB");
    let told =
        system.records().into_iter().any(|record| record["t"] == "limit.warned" && record["b"]["level"] == "restarted");
    assert!(told, "{}", system.log());
    assert_eq!(system.stop(), 5);
}

#[test]
fn one_that_takes_too_much_of_the_processors_climbs_the_ladder() {
    let mut system = judged(
        "{ cpu_max_percent = 15, cpu_for = \"1s\" }",
        "[\"stress-ng\", \"--cpu\", \"1\", \"--timeout\", \"60s\", \"--temp-path\", \"DIR\"]",
    );
    system.start();
    climbs(&system, "% CPU, its limit is 15 %");
    assert_eq!(system.stop(), 5);
}

#[test]
fn one_that_opens_too_many_descriptors_climbs_the_ladder_and_the_kernel_stops_it_a_little_above() {
    let hog = "import time\n\
               held = []\n\
               try:\n    while len(held) < 500: held.append(open('/dev/null'))\n\
               except OSError: pass\n\
               held.pop(); open('DIR/most', 'w').write(str(len(held) + 4)); time.sleep(60)";
    let hog = hog.replace('\n', "\\n");
    let mut system = judged("{ files_max = 80 }", &format!("[\"python3\", \"-c\", \"{hog}\"]"));
    system.start();
    climbs(&system, "open files, its limit is 80");
    assert_eq!(fs::read_to_string(system.path("most")).unwrap(), "90", "an eighth above, and no more");
    assert_eq!(system.stop(), 5);
}

#[test]
fn one_that_multiplies_is_stopped_by_the_kernel_under_a_user_of_its_own_and_climbs_the_ladder() {
    // SAFETY: asks who this is.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: only root can start a component as another user");
        return;
    }
    // What is refused is not tried again, so that it stays at what it was given.
    let hog = "for (1..20) { my $p = fork; last if defined $p && $p == 0 } sleep 60";
    let mut system = System::new(&format!(
        "[limits]\nsample_every = \"1s\"\n[[component]]\nname = \"bot\"\norders = \"asks\"\nuser = \"games\"\n\
         working_dir = \"/\"\ncommand = [\"/usr/bin/perl\", \"-e\", \"{hog}\"]\n\
         stop_grace = \"1s\"\nlimits = {{ processes_max = 8 }}\n",
    ));
    system.start();
    let held = system.wait_record(1, "halt.raised", about("reclaiming"));
    assert_eq!(held["b"]["evidence"], "it uses 9 processes and threads, its limit is 8; it was asked to give back");
    assert!(system.survivors().len() <= 9, "the kernel refuses the next: {:?}", system.survivors());
    climbs(&system, "processes and threads, its limit is 8");
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_bot_that_gives_back_when_it_is_asked_goes_on() {
    let mut system =
        judged("{ memory_max = \"60MB\" }", "[\"BOT\", \"give-back\", \"beat\", \"100\", \"hold\", \"100\"]");
    system.start();
    let held = system.wait_record(1, "halt.raised", about("reclaiming"));
    let from = held["seq"].as_u64().unwrap();
    system.wait_record(from, "halt.cleared", about("reclaiming"));
    let status = system.wait_active();
    assert_eq!(status["components"][0]["restarts"], 0);
    assert_eq!(status["components"][0]["memory_max_bytes"], 60_000_000);
    assert_eq!(system.stop(), 0);
}

#[test]
fn one_whose_limits_only_warn_is_told_of_and_left_alone() {
    let mut system =
        judged("{ memory_max = \"60MB\", action = \"warn\" }", "[\"BOT\", \"beat\", \"100\", \"hold\", \"100\"]");
    system.start();
    for level in ["near", "over"] {
        let warned = system.wait_record(1, "limit.warned", |body| body["level"] == level);
        assert_eq!((&warned["b"]["component"], &warned["b"]["resource"]), (&"bot".into(), &"memory".into()));
    }
    // People are told by another thread.
    let told = |_: &Value| {
        let alerts = system.run("alerts list", &["--format", "json"]);
        String::from_utf8_lossy(&alerts.stdout).contains("bot over the limit: 1")
    };
    system.wait_status("the alert", told);
    assert_eq!(system.wait_active()["components"][0]["restarts"], 0);
    assert_eq!(system.stop(), 0);
}

#[test]
fn the_limit_of_all_together_takes_the_one_that_uses_most() {
    let mut system = System::new(
        "[limits]\nsample_every = \"1s\"\nmemory_max = \"150MB\"\nmemory_warn = \"140MB\"\n\
         [[component]]\nname = \"small\"\ncommand = [\"BOT\", \"hold\", \"60\"]\norders = \"none\"\n\
         [[component]]\nname = \"large\"\ncommand = [\"BOT\", \"hold\", \"110\"]\norders = \"none\"\nstop_grace = \"1s\"\n",
    );
    system.start();
    let held = system.wait_record(1, "halt.raised", about("reclaiming"));
    assert_eq!(held["b"]["component"], "large");
    assert!(held["b"]["evidence"].as_str().unwrap().contains("together, their limit is 150 MB"), "{held}");
    let stopping = system.wait_record(1, "component.stopping", |_| true);
    assert_eq!(stopping["b"]["component"], "large");
    assert_eq!(system.stop(), 0);
}
