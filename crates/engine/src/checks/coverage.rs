//! What is enforced, what is only monitored, and what is not covered: a line a component, and never more than is true.

use super::host::{Cgroup, HostFacts};
use crate::config::{Calls, Component, Config, EmergencyKind, EmergencyWhen, Files, Isolation, Liveness, Readiness};
use crate::limits::kernel::KernelLimits;
use crate::limits::kernel_count;
use crate::process::controllers::Controller;
use failstop_client::status::Coverage;
use failstop_core::{LimitAction, Orders, Resource, RestartPolicy};
use std::time::Duration;

/// A line a component.
pub fn coverage(config: &Config, host: &HostFacts) -> Vec<Coverage> {
    let host = host.clone().with(config);
    config.components.iter().map(|component| of(component, config, &host)).collect()
}

fn of(component: &Component, config: &Config, host: &HostFacts) -> Coverage {
    let mut enforced = Vec::new();
    let mut monitored = Vec::new();
    let mut not_covered = Vec::new();
    match component.orders {
        Orders::Asks => {
            enforced.push(format!("permit (lease {})", spoken(config.permit.lease)));
            enforced.push("stopped in shutdown".to_owned());
            not_covered.push("orders it places without asking".to_owned());
        }
        Orders::Direct => {
            enforced.push("runs only while active and live".to_owned());
            not_covered.push(
                "failstop itself standing still (it runs on, unless systemd's `WatchdogSec` or the watchdog on another host ends the engine)".to_owned(),
            );
        }
        Orders::None => enforced.push("stopped in shutdown".to_owned()),
    }
    match component.restart {
        RestartPolicy::Always => enforced.push("restart".to_owned()),
        RestartPolicy::OnFailure => enforced.push("restart on failure".to_owned()),
        RestartPolicy::Never => {}
    }
    let by = match (&host.cgroup, config.system.isolation) {
        (Cgroup::Writable { .. }, Isolation::PidNamespace) => " (cgroup, process namespace)",
        (Cgroup::None(_), Isolation::PidNamespace) => " (process namespace)",
        (Cgroup::Writable { .. }, Isolation::None) => " (cgroup)",
        (Cgroup::None(_), Isolation::None) => "",
    };
    enforced.push(format!("kill of its whole tree{by}"));
    if let Some(kept) = &component.capabilities {
        let names: Vec<String> = kept.named().into_iter().map(|(_, name)| name).collect();
        enforced.push(match names.as_slice() {
            [] => "no capabilities".to_owned(),
            names => format!("no capabilities but {}", names.join(", ")),
        });
    }
    sandbox(component, host, &mut enforced, &mut not_covered);
    if !component.credentials.is_empty() {
        enforced.push("credentials of its own".to_owned());
        let shares = |other: &Component| other.name != component.name && other.user == component.user;
        if component.user.is_none() || config.components.iter().any(shares) {
            not_covered.push("its credentials from what else runs as its user".to_owned());
        }
    }
    match &component.liveness {
        Some(Liveness::Heartbeat(span)) => monitored.push(format!("heartbeat {}", spoken(*span))),
        Some(Liveness::Watchdog(span)) => monitored.push(format!("sd_notify beat {}", spoken(*span))),
        Some(Liveness::Probe { probe, pace }) => {
            monitored.push(format!("{} probe each {}", probe.word(), spoken(pace.interval)))
        }
        None => not_covered.push("a hang (no beat is required)".to_owned()),
    }
    if let Some(span) = component.progress_within {
        monitored.push(format!("progress {}", spoken(span)));
    }
    if let Some(readiness) = &component.readiness {
        let by = match readiness {
            Readiness::Notify => "",
            Readiness::Probe { probe, .. } => probe.word(),
        };
        let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
        monitored.push(format!("readiness{by} within {}", spoken(component.start_period)));
    }
    if component.health.is_some() {
        monitored.push("its own page of health".to_owned());
    }
    if !component.needs.is_empty() {
        let names: Vec<&str> = component.needs.iter().map(|name| name.as_str()).collect();
        monitored.push(format!("what it needs ({})", names.join(", ")));
    }
    monitored.push("exits".to_owned());
    limits(component, config, host, &mut enforced, &mut monitored);
    if component.orders != Orders::None {
        let cancels = |when| {
            config
                .emergency
                .action
                .iter()
                .any(|action| action.kind == EmergencyKind::CancelAll && action.when.contains(&when))
        };
        // Whether it does what it says is the venue's to show.
        match (cancels(EmergencyWhen::KillSwitch), cancels(EmergencyWhen::Failsafe)) {
            (true, true) => not_covered.push("open orders at the venue, but by an emergency action".to_owned()),
            (true, false) => {
                not_covered.push("open orders at the venue, but by an action of the kill switch".to_owned())
            }
            (false, _) => not_covered.push("open orders at the venue".to_owned()),
        }
    }
    if component.user.is_none() {
        not_covered.push("what it does to failstop itself (same user: set `user`)".to_owned());
    }
    if !component.no_new_privileges {
        not_covered.push("set-user-ID programs that it starts".to_owned());
    }
    Coverage { component: component.name.as_str().to_owned(), enforced, monitored, not_covered }
}

/// What it may use: what the kernel holds is enforced, everything else that has a limit is measured and acted upon.
fn limits(
    component: &Component,
    config: &Config,
    host: &HostFacts,
    enforced: &mut Vec<String>,
    monitored: &mut Vec<String>,
) {
    let own = &component.limits;
    let kernel = KernelLimits::of_component(own);
    let acts = own.action == LimitAction::Restart;
    let has = |controller| host.kernel.usable.contains(&controller);
    let mut measured = Vec::new();
    let mut put = |held: bool, limit: String, at: Option<String>| match (held, at) {
        (true, Some(at)) => enforced.push(format!("{limit} (kernel, at {at})")),
        (true, None) | (false, _) => measured.push(limit),
    };
    if let Some(max) = own.memory_max {
        let at = kernel.memory.map(|(_, most)| Resource::Memory.value(most));
        put(has(Controller::Memory), format!("memory {}", Resource::Memory.value(max.get())), at);
    }
    if let Some(max) = own.cpu_max_percent {
        let at = kernel.cpu_percent.map(|percent| format!("{percent} %"));
        put(has(Controller::Cpu), format!("CPU {max} % over {}", spoken(own.cpu_for)), at);
    }
    if let Some(max) = own.processes_max {
        let users: Vec<Option<&str>> = config.components.iter().map(|one| one.user.as_deref()).collect();
        let own_user = host.root
            && component.user.is_some()
            && users.iter().filter(|user| **user == component.user.as_deref()).count() == 1;
        let at = kernel.pids.map(|most| most.to_string());
        put(has(Controller::Pids) || own_user, format!("processes {max}"), at);
    }
    if let Some(max) = own.files_max {
        let at = acts.then(|| kernel_count(u64::from(max)).to_string());
        put(true, format!("open files {max}"), at);
    }
    let all = &config.limits;
    let held = KernelLimits::of_system(all);
    if let Some(max) = all.memory_max.bytes() {
        let at = held.memory.map(|(_, most)| Resource::Memory.value(most));
        put(has(Controller::Memory), format!("memory of all together {}", Resource::Memory.value(max)), at);
    }
    let at = held.cpu_percent.map(|percent| format!("{percent} %"));
    put(has(Controller::Cpu), format!("CPU of all together {} %", all.cpu_max_percent), at);
    if !measured.is_empty() {
        monitored.push(if acts { measured.join(", ") } else { format!("{} (warning only)", measured.join(", ")) });
    }
}

/// What its sandbox refuses, as far as this kernel can.
fn sandbox(component: &Component, host: &HostFacts, enforced: &mut Vec<String>, not_covered: &mut Vec<String>) {
    if component.sandbox.filesystem == Files::OwnFolder && host.landlock > 0 {
        enforced.push("files: its own folder".to_owned());
        if host.landlock < 3 {
            not_covered.push("cutting files that its user may write (from Linux 6.2)".to_owned());
        }
        if host.landlock < 6 {
            not_covered.push("signals to other processes of its user (from Linux 6.12)".to_owned());
        }
    }
    if component.sandbox.system_calls == Calls::Ordinary && host.filters {
        enforced.push("ordinary system calls alone".to_owned());
    }
}

/// Facts about this host that weaken what is promised.
pub fn host_notes(config: &Config, host: &HostFacts) -> Vec<String> {
    let mut notes = Vec::new();
    let host = host.clone().with(config);
    if let Cgroup::None(reason) = &host.cgroup {
        notes.push(format!("no cgroup ({reason}): process trees are found by ancestry and marks"));
    }
    if !host.caught_from_above {
        notes.push(
            "if engine and guard are both SIGKILLed at once, components may live on until the next start kills them; \
             as a systemd service, as the first process of a container or with `isolation = \"pid-namespace\"` they do not"
                .to_owned(),
        );
    }
    if !host.clock_is_cheap {
        let source = host.clock_source.as_deref().unwrap_or("unknown");
        notes.push(format!("clock source {source}: each permit check costs a system call"));
    }
    if config.components.iter().any(|component| component.orders != Orders::None) {
        notes.push("the gap between a permit check and the order's arrival cannot be closed on this host: use the venue's own order expiry".to_owned());
    }
    notes
}

/// A duration as people say it: `2 min`, `500 ms`.
fn spoken(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        ms if ms >= 3_600_000 && ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms >= 60_000 && ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}
