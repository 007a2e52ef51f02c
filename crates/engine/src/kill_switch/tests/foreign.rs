//! What a user who is not root wrote down makes root kill that user's own processes at most.

use super::*;

/// Three processes of ours, each named to the kill switch in another way: recorded, below the engine, in the cgroup.
struct Named {
    recorded: Child,
    engine: Child,
    below: i32,
    inside: Option<(Child, SystemCgroup)>,
}

impl Named {
    fn new(system: &System) -> Self {
        let recorded = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
        record(system, &recorded);
        let engine = Command::new("sh").args(["-c", "env -i sleep 600 & wait"]).spawn().unwrap();
        let pid = i32::try_from(engine.id()).unwrap();
        let child = || {
            crate::process::procfs::all().unwrap().into_iter().find(|child| {
                crate::process::procfs::stat(*child).is_ok_and(|stat| stat.parent == pid && stat.comm == "sleep")
            })
        };
        wait_until(|| child().is_some());
        let inside = SystemCgroup::make(&system.mark, 1).ok().map(|cgroup| {
            let member = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
            std::fs::write(cgroup.path().join("cgroup.procs"), member.id().to_string()).unwrap();
            (member, cgroup)
        });
        let mut info = system.info(ProcessRef::of(pid).unwrap().unwrap());
        info.cgroup = inside.as_ref().map(|(_, cgroup)| cgroup.path().to_owned());
        info.publish().unwrap();
        Self { recorded, engine, below: child().unwrap(), inside }
    }

    fn live(&mut self) -> Vec<bool> {
        let below = crate::process::procfs::stat(self.below).is_ok_and(|stat| !stat.is_zombie());
        let inside = self.inside.as_mut().map(|(member, _)| member.try_wait().unwrap().is_none());
        [self.recorded.try_wait().unwrap().is_none(), below].into_iter().chain(inside).collect()
    }

    fn end(mut self) {
        let _ = self.recorded.wait();
        let _ = self.engine.wait();
        if let Some((mut member, cgroup)) = self.inside.take() {
            let _ = member.wait();
            crate::process::cgroup::remove_tree(cgroup.path()).unwrap();
        }
    }
}

#[test]
fn a_strangers_word_kills_nothing_of_others() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let system = System::new("stranger");
    let mut named = Named::new(&system);
    let mut marked = system.component("sleep", &["600"]);
    let give = |user: u32| {
        for file in
            [system.run().join("engine.json"), system.state().join("engine.json"), system.run().join("processes")]
        {
            std::os::unix::fs::chown(file, Some(user), None).unwrap();
        }
    };
    give(STRANGER);
    let report = system.engage();
    let said = report.lines().join("\n");
    assert!(named.live().iter().all(|lives| *lives), "{said}");
    assert!(marked.try_wait().unwrap().is_none(), "{said}");
    assert_eq!(report.processes.unwrap().killed, 0, "{said}");

    // The same word, of root's.
    give(0);
    let report = system.engage();
    assert_eq!(report.verdict(), Verdict::Done, "{:#?}", report.lines());
    assert!(is_killed(&mut marked));
    named.end();
}

#[test]
fn a_word_names_only_a_cgroup_that_bears_the_systems_name() {
    let system = System::new("renamed");
    let other = SystemMark { name: "other".to_owned(), jid: system.mark.jid.clone() };
    let Ok(cgroup) = SystemCgroup::make(&other, 1) else { return };
    let mut member = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
    std::fs::write(cgroup.path().join("cgroup.procs"), member.id().to_string()).unwrap();
    let mut info = system.info(ProcessRef { start_time: 1, ..ProcessRef::this().unwrap() });
    info.cgroup = Some(cgroup.path().to_owned());
    info.publish().unwrap();
    assert_eq!(system.engage().verdict(), Verdict::Done);
    assert!(member.try_wait().unwrap().is_none(), "another system's");
    member.kill().unwrap();
    member.wait().unwrap();
    crate::process::cgroup::remove_tree(cgroup.path()).unwrap();
}
