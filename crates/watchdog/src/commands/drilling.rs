//! `drill`: everything that would be needed on the worst day is tried as far as nothing is touched: channels with a marked
//! message, engines and responders with a signed question.

use super::asking::test;
use super::{Place, err, out, to_status, with_config};
use crate::actuate::Receipt;
use crate::app::build;
use crate::asking::{Asking, TIMEOUT};
use crate::client::HEALTH_MAX;
use crate::exit;

/// Rehearses.
pub fn drill(place: &Place) -> u8 {
    with_config(place, |config| {
        to_status(async {
            let built = match build(&config) {
                Ok(built) => built,
                Err(error) => {
                    err(&error.to_string());
                    return exit::USAGE;
                }
            };
            let mut status = test(&config, None).await;
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
    if answer.status == 200 { Ok("takes signed questions".to_owned()) } else { Err(format!("HTTP {}", answer.status)) }
}

async fn unit_answers(responder: &Asking, unit: &str) -> Result<String, String> {
    let answer = responder.ask("GET", &format!("/v1/units/{unit}"), Vec::new(), HEALTH_MAX, TIMEOUT, true).await?;
    let receipt: Receipt = serde_json::from_slice(&answer.body).map_err(|_| format!("HTTP {}", answer.status))?;
    Ok(if receipt.gone { "no process".to_owned() } else { format!("processes {:?}", receipt.left) })
}
