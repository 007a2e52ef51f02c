//! `drill`: everything that would be needed on the worst day is tried as far as nothing is touched: the way to people with an
//! incident that is marked as a drill, engines and responders with a signed question.

use super::asking::{DRILL, ask};
use super::{Place, err, out, to_status, with_config};
use crate::actuate::Receipt;
use crate::app::{Rehearsed, build};
use crate::asking::{Asking, TIMEOUT};
use crate::client::HEALTH_MAX;
use crate::config::Config;
use crate::exit;
use crate::heart::reading::for_people;
use failstop_notify::Severity;

/// Rehearses.
pub fn drill(place: &Place, severity: Severity) -> u8 {
    with_config(place, |config| {
        to_status(async {
            let built = match build(&config) {
                Ok(built) => built,
                Err(error) => {
                    err(&error.to_string());
                    return exit::USAGE;
                }
            };
            let mut status = alert(&config, severity).await;
            for (name, engine, responder) in built.askings() {
                if let Some(engine) = engine {
                    say(&mut status, &format!("{name}: its engine"), engine_answers(&engine).await);
                }
                if let Some((unit, responder)) = responder {
                    say(
                        &mut status,
                        &format!("{name}: its responder, unit {unit}"),
                        unit_answers(&responder, &unit).await,
                    );
                }
            }
            status
        })
    })
}

/// An incident through the running watchdog's outbox, and what each channel answered.
async fn alert(config: &Config, severity: Severity) -> u8 {
    let body = serde_json::json!({ "severity": severity }).to_string().into_bytes();
    let answer = match ask(config, "POST", "/drill", body, DRILL).await {
        Ok(answer) => answer,
        Err(why) => {
            err(&why);
            return exit::UNKNOWN;
        }
    };
    let Ok(rehearsed) = serde_json::from_slice::<Rehearsed>(&answer.body) else {
        err(&for_people(&answer.body));
        return exit::UNKNOWN;
    };
    let mut status = exit::GOOD;
    let what = format!("an alert that is {severity}, {}", rehearsed.key);
    for fault in &rehearsed.faults {
        say(&mut status, &what, Err(fault.clone()));
    }
    for channel in rehearsed.channels {
        let outcome = if channel.taken { Ok(channel.what) } else { Err(channel.what) };
        say(&mut status, &channel.channel, outcome);
    }
    status
}

fn say(status: &mut u8, what: &str, result: Result<String, String>) {
    match result {
        Ok(text) => out(&format!("ok      {what}: {text}\n")),
        Err(why) => {
            out(&format!("failed  {what}: {why}\n"));
            *status = (*status).max(exit::NO);
        }
    }
}

async fn engine_answers(engine: &Asking) -> Result<String, String> {
    let answer = engine.ask("GET", "/api/status", Vec::new(), HEALTH_MAX, TIMEOUT, false).await?;
    if answer.status == 200 {
        return Ok("takes signed questions".to_owned());
    }
    Err(format!("HTTP {}: {}", answer.status, for_people(&answer.body)))
}

async fn unit_answers(responder: &Asking, unit: &str) -> Result<String, String> {
    let answer = responder.ask("GET", &format!("/v1/units/{unit}"), Vec::new(), HEALTH_MAX, TIMEOUT, true).await?;
    let receipt: Receipt = serde_json::from_slice(&answer.body).map_err(|_| format!("HTTP {}", answer.status))?;
    Ok(if receipt.gone { "no process".to_owned() } else { format!("processes {:?}", receipt.left) })
}
