//! The responder's address: signed requests in, signed receipts out.
//!
//! `GET /v1/units/NAME`, `POST /v1/units/NAME/stop`, `…/kill`, `…/start` with `{"expected_epoch": N | null, "reason": TEXT}`.

use super::unit::{Receipt, Refused, Units};
use crate::clock;
use crate::doors::server::{self, Asked, Reply};
use crate::heart::reading::for_people;
use crate::log::Log;
use failstop_client::signed::{ANSWER_HEADER, Refusal, Request, Signer, Verifier};
use serde::Deserialize;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The responder.
#[derive(Debug)]
pub struct Responder {
    /// `actuate/NAME`: what requests are signed for.
    pub audience: String,
    /// Its units.
    pub units: Units,
    /// Who may ask.
    pub verifier: RefCell<Verifier>,
    /// Where it says what it did.
    pub log: Log,
}

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    expected_epoch: Option<u64>,
    #[serde(default)]
    reason: String,
}

/// Serves until `stop`.
pub async fn serve(responder: Rc<Responder>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let places = server::places();
    let handle = Rc::new(move |asked: Asked| {
        let responder = Rc::clone(&responder);
        async move { responder.answer(asked).await }
    });
    let mut stop = std::pin::pin!(stop);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::task::spawn_local(server::serve(stream, None, place, Rc::clone(&handle)));
                }
                // Out of descriptors: wait until some are free again.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            },
        }
    }
}

impl Responder {
    async fn answer(&self, asked: Asked) -> Reply {
        let request =
            Request { audience: &self.audience, method: &asked.method, target: &asked.target, body: &asked.body };
        let verified = self.verifier.borrow_mut().verify(&request, asked.authorization.as_deref(), clock::wall_ms());
        match verified {
            Err(refusal) => {
                let status = match refusal {
                    Refusal::Full => 503,
                    Refusal::Unsigned
                    | Refusal::Malformed
                    | Refusal::UnknownKey(_)
                    | Refusal::Forged { .. }
                    | Refusal::OutOfTime { .. }
                    | Refusal::TooOld
                    | Refusal::Replayed => 401,
                };
                self.log.warn(
                    clock::now().wall,
                    &format!("refused {} {}: {refusal}", asked.method, for_people(asked.path.as_bytes())),
                );
                Reply::error(status, refusal.to_string())
            }
            Ok(signer) => self.sign(&signer, self.carry_out(&asked, &signer).await),
        }
    }

    fn sign(&self, signer: &Signer, mut reply: Reply) -> Reply {
        if let Some(key) = self.verifier.borrow().key(&signer.key) {
            reply.headers.push((ANSWER_HEADER, key.sign_answer(signer.nonce, reply.status, &reply.body)));
        }
        reply
    }

    async fn carry_out(&self, asked: &Asked, signer: &Signer) -> Reply {
        let Some(rest) = asked.path.strip_prefix("/v1/units/") else { return Reply::error(404, "no such path") };
        let (unit, verb) = match rest.split_once('/') {
            Some((unit, verb)) => (unit, Some(verb)),
            None => (rest, None),
        };
        let body: Body = match (verb, asked.body.is_empty()) {
            (None, _) | (_, true) => Body::default(),
            (Some(_), false) => match serde_json::from_slice(&asked.body) {
                Ok(body) => body,
                Err(error) => {
                    return Reply::error(400, format!("the body is not {{\"expected_epoch\", \"reason\"}}: {error}"));
                }
            },
        };
        let done = match (asked.method.as_str(), verb) {
            ("GET", None) => self.units.status(unit),
            ("POST", Some("stop")) => self.units.stop(unit, body.expected_epoch, false).await,
            ("POST", Some("kill")) => self.units.stop(unit, body.expected_epoch, true).await,
            ("POST", Some("start")) => self.units.start(unit).await,
            (_, None) => return Reply::method("GET"),
            (_, Some("stop" | "kill" | "start")) => return Reply::method("POST"),
            (_, Some(_)) => return Reply::error(404, "a unit takes stop, kill and start"),
        };
        let what = verb.unwrap_or("status");
        self.log.info(
            clock::now().wall,
            &format!(
                "{what} {} for {} ({}): {}",
                for_people(unit.as_bytes()),
                signer.key,
                for_people(body.reason.as_bytes()),
                in_words(&done)
            ),
        );
        match done {
            Ok(receipt) => Reply::json(200, &receipt),
            Err(refused) => {
                let status = match &refused {
                    Refused::StoppedOnPurpose(how) => {
                        let body = serde_json::json!({ "error": refused.to_string(), "stopped_on_purpose": how });
                        return Reply::json(409, &body);
                    }
                    Refused::Unknown(_) => 404,
                    Refused::Busy | Refused::Epoch { .. } | Refused::Lives(_) | Refused::KillSwitch(_) => 409,
                    Refused::NoStart | Refused::Failed(_) => 500,
                };
                Reply::error(status, refused.to_string())
            }
        }
    }
}

fn in_words(done: &Result<Receipt, Refused>) -> String {
    match done {
        Ok(receipt) => match receipt.started {
            Some(pid) => format!("started process {pid}"),
            None => format!("{}, {}", receipt.how, if receipt.gone { "gone" } else { "not gone" }),
        },
        Err(refused) => refused.to_string(),
    }
}
