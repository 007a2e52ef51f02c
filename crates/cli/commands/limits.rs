//! `failstop limits`: what is used of each limit, and another value for one for a while.

use crate::args::Format;
use crate::args::gate::LimitsAction;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::render::duration::duration;
use crate::render::gate as words;
use failstop_engine::doors::control::wire::{EndOverride, LimitName, OverrideLimit, Scope};

/// Does what is asked.
pub fn limits(action: LimitsAction) -> Result<Exit, Failure> {
    match action {
        LimitsAction::List { place, format } => {
            let status = Engine::by(&place)?.status()?;
            let gate = status.gate.ok_or_else(words::not_configured)?;
            out::print_last(&match format {
                Format::Text => format!("{}{}", words::risk(&gate), words::rates(&gate)),
                Format::Json => {
                    out::json_line(&serde_json::json!({ "limits": gate.limits, "overrides": gate.overrides }))?
                }
            })?;
            Ok(Exit::Good)
        }
        LimitsAction::Override { name, value, span, reason, component, instrument, user, place } => {
            let limit = limit_named(&name)?;
            let (scope, of) = match (component, instrument, user) {
                (Some(name), _, _) => (Scope::Component, Some(name)),
                (_, Some(name), _) => (Scope::Instrument, Some(name)),
                (_, _, Some(name)) => (Scope::User, Some(name)),
                (None, None, None) => (Scope::System, None),
            };
            let order = OverrideLimit { limit, scope, of, value: value.clone(), for_seconds: span.as_secs(), reason };
            let taken = Engine::by(&place)?.override_limit(order)?;
            out::print_last(&format!("{name} is {value} for {} (record {})\n", duration(span), taken.seq))?;
            Ok(Exit::Good)
        }
        LimitsAction::End { name, place } => {
            let taken = Engine::by(&place)?.end_override(EndOverride { name: name.clone() })?;
            out::print_last(&format!("override {name} is over (record {})\n", taken.seq))?;
            Ok(Exit::Good)
        }
    }
}

fn limit_named(name: &str) -> Result<LimitName, Failure> {
    LimitName::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| Failure::Usage {
        what: format!("there is no limit named {name:?}"),
        next: format!("limits: {}", LimitName::ALL.map(LimitName::name).join(", ")),
    })
}
