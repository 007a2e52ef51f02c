//! What a failstop configuration may say: the list of all sections, from which reading, suggestions and the reference are made.

use super::books::{Account, Asset, Instrument, Ledger, Pool, Snapshots, Strategy};
use super::breaker::Breaker;
use super::component::Component;
use super::control::Control;
use super::dependency::DependencyKeys;
use super::emergency::Emergency;
use super::footprint::Footprint;
use super::gate::{Gate, Prices, SharedRates};
use super::halts::HaltKeys;
use super::health::{Failsafe, Health};
use super::hot::Hot;
use super::limits::Limits;
use super::metrics::Metrics;
use super::observe::Observe;
use super::profile::ROWS;
use super::runtime::{Journal, Log, Output, Permit, Startup};
use super::shutdown::Shutdown;
use super::system::System;
use super::telegram::Telegram;
use super::thresholds::Thresholds;
use super::witness::Witness;
use failstop_notify::settings::Alerts;
use failstop_settings::{SectionInfo, Shape, Vocabulary};

/// What environment variables that override a key begin with.
pub const PREFIX: &str = "FAILSTOP__";

pub(crate) static VOCABULARY: Vocabulary = Vocabulary {
    file: "failstop.toml",
    no_file: "write one with `failstop init`, or give its path with --config or FAILSTOP_CONFIG",
    prefix: PREFIX,
    sections: &[
        SectionInfo::of::<System>("system", Shape::Single),
        SectionInfo::of::<Observe>("observe", Shape::Single),
        SectionInfo::of::<Control>("control", Shape::Single),
        SectionInfo::of::<Telegram>("telegram", Shape::Single),
        SectionInfo::of::<Component>("component", Shape::Repeated),
        SectionInfo::optional::<DependencyKeys>("dependency", Shape::Repeated),
        SectionInfo::of::<Health>("health", Shape::Single),
        SectionInfo::of::<Failsafe>("failsafe", Shape::Single),
        SectionInfo::optional::<HaltKeys>("halts", Shape::Named { word: "CAUSE", example: "unhealthy" }),
        SectionInfo::of::<Limits>("limits", Shape::Single),
        SectionInfo::of::<Thresholds>("thresholds", Shape::Single),
        SectionInfo::of::<Breaker>("breaker", Shape::Single),
        SectionInfo::of::<Footprint>("footprint", Shape::Single),
        SectionInfo::of::<Metrics>("metrics", Shape::Single),
        SectionInfo::of::<Emergency>("emergency", Shape::Single),
        SectionInfo::of::<Startup>("startup", Shape::Single),
        SectionInfo::of::<Shutdown>("shutdown", Shape::Single),
        SectionInfo::of::<Journal>("journal", Shape::Single),
        SectionInfo::of::<Witness>("witness", Shape::Single),
        SectionInfo::of::<Permit>("permit", Shape::Single),
        SectionInfo::optional::<Asset>("asset", Shape::Repeated),
        SectionInfo::optional::<Account>("account", Shape::Repeated),
        SectionInfo::optional::<Pool>("pool", Shape::Repeated),
        SectionInfo::optional::<Instrument>("instrument", Shape::Repeated),
        SectionInfo::optional::<Strategy>("strategy", Shape::Repeated),
        SectionInfo::optional::<Gate>("gate", Shape::Single),
        SectionInfo::of::<Prices>("prices", Shape::Single),
        SectionInfo::optional::<SharedRates>("shared_rates", Shape::Single),
        SectionInfo::of::<Ledger>("ledger", Shape::Single),
        SectionInfo::of::<Snapshots>("snapshots", Shape::Single),
        SectionInfo::of::<Output>("output", Shape::Single),
        SectionInfo::of::<Log>("log", Shape::Single),
        SectionInfo::of::<Alerts>("alerts", Shape::Single),
        SectionInfo::of::<Hot>("config", Shape::Single),
    ],
    profiles: ROWS,
    synonym,
};

/// The reference: a valid configuration in which every key stands with its default, its range and its meaning.
pub fn reference() -> String {
    failstop_settings::reference(
        &VOCABULARY,
        "# Every key of a failstop configuration, with its meaning, its range and its default.\n\
         # Generated from the program; do not edit. Keys without a default stand behind a `#`, with an example.\n\
         #\n\
         # Durations are 500ms, 30s, 5m, 25h; sizes 1800MiB, 10MB. Relative paths start at this file's folder.\n\
         # Built-in defaults < profile < this file < environment < flags. A key is overridden by the variable\n\
         # FAILSTOP__SECTION__KEY (FAILSTOP__COMPONENT__NAME__KEY) or by --set section.key=value\n\
         # (--set component.NAME.key=value). Unknown keys are refused.\n\
         #\n\
         # A change of this file is taken while failstop runs where every changed key says Live. Where one needs a restart,\n\
         # nothing of the change is taken, and all such keys are named.\n",
        &|key| super::change::class_of(key).map(super::Class::note),
    )
}

/// What other supervisors call it.
fn synonym(word: &str) -> Option<&'static str> {
    Some(match word {
        "cwd" | "directory" | "workdir" | "working_directory" | "WorkingDirectory" => "working_dir",
        "environment" | "environ" | "vars" => "env",
        "environment_file" | "dotenv" => "env_file",
        "cmd" | "exec" | "exec_start" | "program" | "run" | "args" | "arguments" => "command",
        "grace" | "stop_timeout" | "kill_timeout" | "grace_period" => "stop_grace",
        "after" | "requires" => "depends_on",
        "dependencies" => "needs",
        "autorestart" | "restart_policy" => "restart",
        "port" | "address" | "bind" | "addr" => "listen",
        "memory" | "max_memory" | "memory_limit" => "memory_max",
        "cpu" | "max_cpu" | "cpu_limit" => "cpu_max_percent",
        _ => return None,
    })
}
