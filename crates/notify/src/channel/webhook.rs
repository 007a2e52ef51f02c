//! A signed webhook, by the Standard Webhooks specification: the id stays the same in every attempt, the time is the attempt's,
//! and the signature is over id, time and body, so that a receiver can refuse forgeries and replays.

use crate::answer::Answer;
use crate::message::Message;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use failstop_settings::{Consistent, Secret as Place, section, within};
use jiff::Timestamp;
use std::time::Duration;

/// What a secret begins with, by the specification.
const PREFIX: &str = "whsec_";

/// The fewest and the most bytes of a secret, by the specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A signed webhook.
#[derive(Clone)]
pub struct Webhook {
    /// Where it is posted; may hold a token.
    pub url: Secret,
    /// `whsec_` and base64 of 24 to 64 bytes.
    pub secret: Secret,
}

impl Webhook {
    /// The key for signing.
    ///
    /// # Errors
    ///
    /// What is wrong with the secret, without the secret.
    pub(crate) fn key(&self) -> Result<Vec<u8>, String> {
        let help = "write `whsec_` and the base64 of 24 to 64 random bytes";
        let encoded = self
            .secret
            .expose()
            .strip_prefix(PREFIX)
            .ok_or_else(|| format!("its secret does not begin with whsec_; {help}"))?;
        let key = STANDARD.decode(encoded).map_err(|_| format!("its secret is not base64 after whsec_; {help}"))?;
        if SECRET_BYTES.contains(&key.len()) {
            Ok(key)
        } else {
            Err(format!("its secret has {} bytes; {help}", key.len()))
        }
    }

    /// The request of this attempt.
    pub(crate) fn request(&self, message: &Message) -> Result<Request, String> {
        let key = self.key()?;
        let id = format!("msg_{}", message.id);
        let body = message.document();
        let mut request = Request::json(self.url.expose().to_owned(), &body);
        let signature = sign(&key, &id, message.now, &request.body);
        request = request
            .with("webhook-id", id)
            .with("webhook-timestamp", message.now.as_second().to_string())
            .with("webhook-signature", signature);
        Ok(match message.traceparent() {
            Some(parent) => request.with("traceparent", parent),
            None => request,
        })
    }

    /// What an answer means, by the specification: anything but 2xx is tried again, 410 ends it.
    pub(crate) fn answer(response: &Response) -> Answer {
        let reason = format!("HTTP {}", response.status);
        match (response.status, response.retry_after) {
            (200..=299, _) => Answer::ok(),
            (300..=399, _) => Answer::permanent(format!("{reason}; redirects are not followed: correct `url`")),
            (410, _) => Answer::permanent(format!("{reason}: the receiver wants no more; remove or correct `url`")),
            (400..=599, Some(after)) => Answer::RetryAfter { after, reason },
            (400..=599, None) => Answer::Retry { reason },
            _ => Answer::Ambiguous { reason },
        }
    }
}

/// `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.
fn sign(key: &[u8], id: &str, at: Timestamp, body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let mut context = ring::hmac::Context::with_key(&key);
    context.update(id.as_bytes());
    context.update(format!(".{}.", at.as_second()).as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

section! {
    /// A webhook, signed by the Standard Webhooks specification.
    pub struct WebhookTable {
        /// Where it is posted; it may hold a token, so it is a secret.
        url: Place, required { env = "ALERT_WEBHOOK_URL" };
        /// The key of the signature: whsec_ and the base64 of 24 to 64 random bytes.
        secret: Place, required { env = "ALERT_WEBHOOK_SECRET" };
        /// How long one attempt may take.
        timeout: Duration, default "20s", within("1s", "2m");
    }
}

impl Consistent for WebhookTable {}

impl WebhookTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let webhook = Webhook {
            url: crate::settings::reveal_url("url", &self.url)?,
            secret: crate::settings::reveal("secret", &self.secret)?,
        };
        Ok(Revealed { kind: crate::Kind::Webhook(webhook), timeout: self.timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heart::What;
    use crate::message::tests::message;

    const VECTORS: &str = include_str!("../../tests/contracts/standard-webhooks.vectors.json");

    #[test]
    fn signs_as_the_published_vectors_do() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap_or_default();
        let vectors = vectors["vectors"].as_array().cloned().unwrap_or_default();
        assert!(vectors.len() >= 6);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
            let hook = Webhook { url: Secret::new(""), secret: Secret::new(text("secret")) };
            let key = hook.key().unwrap_or_else(|fault| panic!("{fault}"));
            let at = Timestamp::from_second(vector["timestamp"].as_i64().unwrap_or_default()).unwrap_or_default();
            let signature = sign(&key, &text("id"), at, text("body").as_bytes());
            let matches = text("signature").split(' ').any(|given| given == signature);
            assert_eq!(Some(matches), vector["valid"].as_bool(), "{}", text("name"));
        }
    }

    #[test]
    fn the_id_stays_and_the_time_moves() {
        let hook =
            Webhook { url: Secret::new("https://h/x"), secret: Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD") };
        let header = |request: &Request, name: &str| {
            let found = request.headers.iter().find(|(header, _)| *header == name);
            found.map(|(_, value)| value.expose().to_owned()).unwrap_or_default()
        };
        let first = message(What::Trigger);
        let mut later = message(What::Trigger);
        later.now = first.now + jiff::SignedDuration::from_secs(300);
        let (a, b) = (hook.request(&first), hook.request(&later));
        let (Ok(a), Ok(b)) = (a, b) else { panic!("no request") };
        assert_eq!(header(&a, "webhook-id"), header(&b, "webhook-id"));
        assert_eq!(a.body, b.body);
        assert_ne!(header(&a, "webhook-timestamp"), header(&b, "webhook-timestamp"));
        assert_ne!(header(&a, "webhook-signature"), header(&b, "webhook-signature"));
    }

    #[test]
    fn the_receiver_can_follow_the_incident() {
        let hook =
            Webhook { url: Secret::new("https://h/x"), secret: Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD") };
        let parent = |message: &Message| {
            let request = hook.request(message).unwrap_or_else(|fault| panic!("{fault}"));
            let found = request.headers.iter().find(|(header, _)| *header == "traceparent");
            found.map(|(_, value)| value.expose().to_owned())
        };
        let mut sent = message(What::Trigger);
        let first = parent(&sent).unwrap_or_default();
        assert!(first.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && first.ends_with("-01"), "{first}");
        assert_eq!(first.len(), 55);
        for none in [
            None,
            Some("9f2c41ab03d1e877"),
            Some("4BF92F3577B34DA6A3CE929D0E0E4736"),
            Some("00000000000000000000000000000000"),
        ] {
            let mut notice = crate::notice::Notice::clone(&sent.order.notice);
            notice.trace_id = none.map(str::to_owned);
            sent.order.notice = std::sync::Arc::new(notice);
            assert_eq!(parent(&sent), None, "{none:?}");
        }
    }

    #[test]
    fn a_bad_secret_is_named_without_being_shown() {
        for (secret, says) in
            [("plain-canary", "does not begin"), ("whsec_*canary*", "not base64"), ("whsec_Y2FuYXJ5", "6 bytes")]
        {
            let hook = Webhook { url: Secret::new(""), secret: Secret::new(secret) };
            let fault = hook.key().err().unwrap_or_default();
            assert!(fault.contains(says) && !fault.contains("canary"), "{fault}");
        }
    }
}
