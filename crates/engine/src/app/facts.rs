//! What the host knows and the core does not: samples of memory and processor time, what bots say of themselves, figures they
//! report. For status, health and metrics.

use super::engagement::Unlatched;
use crate::checks;
use crate::config::{Bytes, Config};
use crate::limits::sampling::{HostSampler, ProcessSample, TreeSampler};
use crate::metrics::custom::Custom;
use crate::process::procfs::ProcessId;
use crate::process::tree::TreeId;
use crate::status::held::HeldSince;
use crate::status::{ComponentFacts, Configured, HostFacts};
use failstop_client::status::{
    AlertsSummary, BooksSummary, BreakerSummary, CustomSummary, EmergencySummary, HostSummary, JournalSummary,
};
use failstop_core::{ComponentName, Epoch, HaltId, Monotonic, Usage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Facts that do not change while the engine runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The system's name.
    pub system: String,
    /// This start's epoch.
    pub epoch: Epoch,
    /// When the engine started.
    pub started: Monotonic,
    /// The guard's process number.
    pub guard_pid: u32,
    /// The journal's id.
    pub jid: String,
    /// Where the observe address listens.
    pub observe: Option<String>,
    /// What this system is, as every alert says.
    pub environment: String,
    /// When the halts of earlier epochs were raised.
    pub raised_before: Arc<BTreeMap<HaltId, jiff::Timestamp>>,
}

/// The host's knowledge, kept up to date by the loop.
pub struct Facts {
    identity: Identity,
    components: BTreeMap<String, ComponentFacts>,
    dependencies: BTreeMap<String, Option<bool>>,
    /// What users add: bots' own figures, and those of the configuration's sources.
    pub custom: Custom,
    held: HeldSince,
    /// What the checks go by, as it was at the start.
    checked: checks::HostFacts,
    host_notes: Vec<String>,
    configured: Configured,
    guard_note: Option<String>,
    trees: TreeSampler,
    host: Option<HostSampler>,
    host_sample: Option<HostSummary>,
    /// When people may hear that the engine is on time again, after a standstill of which they were told.
    pub(super) on_time_at: Option<Monotonic>,
    /// An engaged kill switch that has no latch on the disk.
    pub(super) unlatched: Option<Unlatched>,
    own: Option<ProcessSample>,
    /// Permits that ran out, as recorded.
    pub permit_lapses: u64,
}

impl Facts {
    /// Nothing sampled yet.
    pub fn new(config: &Config, identity: Identity, held: HeldSince, host_notes: Vec<String>) -> Self {
        let checked = checks::HostFacts::gather();
        let coverage = checks::coverage(config, &checked);
        let mut components: BTreeMap<String, ComponentFacts> = config
            .components
            .iter()
            .map(|component| {
                let facts = ComponentFacts {
                    orders: Some(component.orders),
                    memory_max_bytes: component.limits.memory_max.map(Bytes::get),
                    cpu_max_percent: component.limits.cpu_max_percent,
                    processes_max: component.limits.processes_max.map(u64::from),
                    files_max: component.limits.files_max.map(u64::from),
                    ..ComponentFacts::default()
                };
                (component.name.as_str().to_owned(), facts)
            })
            .collect();
        for covered in coverage {
            if let Some(facts) = components.get_mut(&covered.component) {
                facts.coverage = Some(covered);
            }
        }
        let dependencies = config.dependencies.iter().map(|one| (one.name.as_str().to_owned(), None)).collect();
        Self {
            identity,
            components,
            dependencies,
            custom: Custom::default(),
            held,
            checked,
            host_notes,
            configured: Configured::of(config),
            guard_note: None,
            trees: TreeSampler::new(),
            host: HostSampler::new(config.state_dir()).ok(),
            host_sample: None,
            on_time_at: None,
            unlatched: None,
            own: None,
            permit_lapses: 0,
        }
    }

    /// What another configuration says of the components; what was measured stays. Nothing of the host is read: the loop waits.
    pub fn adopt(&mut self, config: &Config) {
        self.configured = Configured::of(config);
        let coverage = checks::coverage(config, &self.checked);
        for component in &config.components {
            let Some(facts) = self.components.get_mut(component.name.as_str()) else { continue };
            facts.memory_max_bytes = component.limits.memory_max.map(Bytes::get);
            facts.cpu_max_percent = component.limits.cpu_max_percent;
        }
        for covered in coverage {
            if let Some(facts) = self.components.get_mut(&covered.component) {
                facts.coverage = Some(covered);
            }
        }
    }

    /// Measures a component's tree, its descriptors only where a limit asks for them.
    pub fn sample_tree(
        &mut self,
        (tree, component): (TreeId, &str),
        members: &[ProcessId],
        count_files: bool,
        now: Monotonic,
    ) -> Usage {
        let pids: Vec<u32> = members.iter().filter_map(|id| u32::try_from(id.pid).ok()).collect();
        let sample = self.trees.sample(component, &pids, count_files, now);
        if let Some(facts) = self.components.get_mut(component) {
            facts.memory_bytes = (!pids.is_empty()).then_some(sample.memory_bytes);
            facts.cpu = Some(sample.cpu);
            facts.cpu_percent = sample.cpu_percent;
            facts.processes = (!pids.is_empty()).then_some(sample.tasks);
            facts.files = sample.files;
        }
        Usage {
            slot: tree.slot,
            instance: tree.instance,
            memory_bytes: sample.memory_bytes,
            cpu_hundredths: sample.cpu_percent.map(hundredths),
            processes: sample.tasks,
            files: sample.files,
        }
    }

    /// Measures the host and the engine itself.
    pub fn sample_host(&mut self) {
        self.host_sample = self.host.as_mut().map(HostSampler::sample);
        self.own = ProcessSample::own().ok();
    }

    /// What the operator should know of this host.
    pub fn host_notes(&self) -> &[String] {
        &self.host_notes
    }

    /// What the operator should know of the guard; none while all is well.
    pub fn note_of_guard(&mut self, note: Option<String>) {
        self.guard_note = note;
    }

    /// The engine's own figures, as last sampled.
    pub fn own(&self) -> Option<&ProcessSample> {
        self.own.as_ref()
    }

    /// The guard's process number.
    pub fn guard_pid(&self) -> u32 {
        self.identity.guard_pid
    }

    /// Whether a dependency answers; what was known before.
    pub fn dependency(&mut self, name: &str, up: bool) -> Option<bool> {
        self.dependencies.get_mut(name).and_then(|known| known.replace(up))
    }

    /// What a component says of itself.
    pub fn says(&mut self, component: &str, text: Option<String>) {
        if let Some(facts) = self.components.get_mut(component) {
            facts.status_text = text;
        }
    }

    /// An operator's word about a component was recorded.
    pub fn held(&mut self, component: &ComponentName, held: bool) {
        self.held.note(component, held, crate::clock::wall());
    }

    /// How many descriptors are kept for a component.
    pub fn stores(&mut self, component: &str, count: usize) {
        if let Some(facts) = self.components.get_mut(component) {
            facts.descriptors_kept = u32::try_from(count).unwrap_or(u32::MAX);
        }
    }

    /// The machine, as last sampled.
    pub fn host(&self) -> Option<&HostSummary> {
        self.host_sample.as_ref()
    }

    /// What these components and the engine use together, as last sampled: memory, bytes, and processor time, per cent.
    pub fn in_use<'a>(&self, running: impl Iterator<Item = &'a str>) -> (Option<u64>, Option<f64>) {
        let (mut memory, mut cpu) = (self.own.as_ref().map(|own| own.resident_bytes), None);
        for facts in running.filter_map(|name| self.components.get(name)) {
            memory = memory.into_iter().chain(facts.memory_bytes).reduce(u64::saturating_add);
            cpu = cpu.into_iter().chain(facts.cpu_percent).reduce(|one: f64, other| one + other);
        }
        (memory, cpu)
    }

    /// Everything, for a status.
    pub fn host_facts(&self, journal_seq: u64, journal_head: String, alerts: AlertsSummary) -> HostFacts {
        HostFacts {
            system: self.identity.system.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: self.identity.epoch.0,
            started: self.identity.started,
            wall: crate::clock::wall(),
            raised_before: Arc::clone(&self.identity.raised_before),
            held: self.held.clone(),
            journal: JournalSummary { seq: journal_seq, head: journal_head, jid: self.identity.jid.clone() },
            components: self.components.clone(),
            dependencies: self.dependencies.clone(),
            metrics: self.custom.of_bots().map(|(name, value)| (name.to_owned(), value)).collect(),
            host_notes: self.host_notes.iter().chain(&self.guard_note).cloned().collect(),
            configured: self.configured.clone(),
            engine_pid: std::process::id(),
            guard_pid: self.identity.guard_pid,
            engine_memory_bytes: self.own.as_ref().map(|own| own.resident_bytes),
            permit_lapses: self.permit_lapses,
            observe: self.identity.observe.clone(),
            environment: self.identity.environment.clone(),
            alerts,
            host: self.host_sample.clone(),
            announced: None,
            books: BooksSummary::default(),
            gate: None,
            verified: None,
            breaker: BreakerSummary::default(),
            config: failstop_client::configuration::ConfigSummary::default(),
            emergency: EmergencySummary::default(),
            custom: CustomSummary::default(),
            footprint: None,
            unlatched: self.unlatched.as_ref().map(|unlatched| unlatched.error.clone()),
        }
    }
}

/// Per cent as the core counts them. A figure that is none (the clock stood still) counts as nothing.
fn hundredths(percent: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates, and NaN becomes 0")]
    let hundredths = (percent * 100.0).round() as u64;
    hundredths
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::process::controllers::{Controller, Outlook};

    fn limited(lines: &str) -> Config {
        crate::config::tests::with(&format!("limits = {{ {lines} }}\n"))
    }

    #[test]
    fn limits_and_coverage_are_those_of_another_configuration_on_the_host_of_the_start() {
        let before = limited("memory_max = \"400MB\"");
        let identity = Identity {
            system: "demo".to_owned(),
            epoch: Epoch(1),
            started: Monotonic::from_nanos(0),
            guard_pid: 1,
            jid: String::new(),
            observe: None,
            environment: String::new(),
            raised_before: Arc::default(),
        };
        let mut facts = Facts::new(&before, identity, HeldSince::default(), Vec::new());
        facts.says("bot", Some("trades".to_owned()));
        let after = limited("memory_max = \"300MB\", cpu_max_percent = 50");
        for usable in [Controller::ALL.into(), std::collections::BTreeSet::new()] {
            let held = usable.contains(&Controller::Memory);
            facts.checked.kernel = Outlook { usable, ..Outlook::default() };
            facts.adopt(&after);
            let bot = &facts.components["bot"];
            assert_eq!((bot.memory_max_bytes, bot.cpu_max_percent), (Some(300_000_000), Some(50)));
            assert_eq!(bot.status_text.as_deref(), Some("trades"), "what is known stays");
            let coverage = bot.coverage.as_ref().unwrap();
            let named = |list: &[String]| list.iter().any(|one| one.contains("memory 300 MB"));
            assert_eq!((named(&coverage.enforced), named(&coverage.monitored)), (held, !held), "{coverage:?}");
        }
    }
}
