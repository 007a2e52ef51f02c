//! SMS through Twilio. A text is short and costs money: what changed in between is not sent, only beginning, reminders,
//! escalation and end.

use crate::answer::Answer;
use crate::message::Message;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use failstop_settings::{Consistent, Secret as Place, Url, section, within};
use std::time::Duration;

/// The longest text that is sent, characters: three parts of an SMS. Twilio takes 1600.
pub(crate) const TEXT_MAX: usize = 320;

/// One part of an SMS a second is what the slowest kind of sender may send.
pub(crate) const SPACING: Duration = Duration::from_secs(3);

/// SMS through Twilio.
#[derive(Clone)]
pub struct Twilio {
    /// The account's SID, `AC...`.
    pub account_sid: String,
    /// The account's token.
    pub auth_token: Secret,
    /// The sender: a number of the account, or the SID of a messaging service (`MG...`).
    pub from: String,
    /// Numbers in international form, `+...`.
    pub to: Vec<String>,
    /// Where the API is, without a slash at its end.
    pub api_base: String,
}

impl Twilio {
    /// Where the API is unless the configuration says otherwise.
    pub const API_BASE: &'static str = "https://api.twilio.com";

    /// The request to one number.
    pub(crate) fn request(&self, message: &Message, to: &str) -> Request {
        let text = if message.order.plain {
            Measure::Chars.cut(&message.text.headline, 150)
        } else {
            message.text.fit(TEXT_MAX, Measure::Chars)
        };
        let sender = if self.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let encoded = crate::mask::percent_encoded;
        let form = format!("To={}&{sender}={}&Body={}", encoded(to), encoded(&self.from), encoded(&text));
        let mut request = Request::json(format!("{}.json", self.messages()), &serde_json::Value::Null);
        request.content_type = "application/x-www-form-urlencoded";
        request.body = form.into_bytes();
        self.signed(request)
    }

    /// Asks how far a message has come.
    pub(crate) fn read_back(&self, receipt: &str) -> Request {
        let sid = crate::mask::percent_encoded(receipt);
        self.signed(Request::get(format!("{}/{sid}.json", self.messages())))
    }

    fn messages(&self) -> String {
        let base = self.api_base.trim_end_matches('/');
        format!("{base}/2010-04-01/Accounts/{}/Messages", crate::mask::percent_encoded(&self.account_sid))
    }

    fn signed(&self, request: Request) -> Request {
        let pair = STANDARD.encode(format!("{}:{}", self.account_sid, self.auth_token.expose()));
        request.with("authorization", format!("Basic {pair}"))
    }

    /// What an answer means. 201 says queued, not delivered.
    pub(crate) fn answer(response: &Response) -> Answer {
        let body = response.json();
        let code = body["code"].as_u64().unwrap_or_default();
        let said = if code == 0 { String::new() } else { format!("Twilio error {code}") };
        match (response.status, code) {
            (200 | 201, _) => match body["sid"].as_str() {
                Some(sid) => Answer::Ok { receipt: Some(sid.to_owned()) },
                None => Answer::Ambiguous { reason: format!("HTTP {}, and not Twilio's answer", response.status) },
            },
            (202..=299, _) => {
                Answer::Ambiguous { reason: format!("HTTP {}, and not Twilio's answer", response.status) }
            }
            // The text is too long, empty, or not text.
            (400, 21_602 | 21_605 | 21_617 | 21_619) => Answer::fix_payload(said),
            // A full queue of the account.
            (400, 21_611) => Answer::retry(said),
            (400, 1..) => Answer::permanent(format!("{said}; see https://www.twilio.com/docs/errors/{code}")),
            _ => response.by_status(&said),
        }
    }
}

section! {
    /// SMS through Twilio.
    pub struct TwilioTable {
        /// The account's SID.
        account_sid: String, required "AC0123456789abcdef";
        /// The account's token.
        auth_token: Place, required { env = "TWILIO_AUTH_TOKEN" };
        /// The sender: a number of the account, or the SID of a messaging service.
        from: String, required "+15005550006";
        /// Who is written to, in international form.
        to: Vec<String>, required ["+15005550009"];
        /// Where the API is.
        api_base: Url, default "https://api.twilio.com";
        /// How long one attempt may take.
        timeout: Duration, default "10s", within("1s", "2m");
    }
}

impl Consistent for TwilioTable {}

impl TwilioTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let twilio = Twilio {
            account_sid: self.account_sid.clone(),
            auth_token: crate::settings::reveal("auth_token", &self.auth_token)?,
            from: self.from.clone(),
            to: self.to.clone(),
            api_base: self.api_base.to_string(),
        };
        Ok(Revealed { kind: crate::Kind::Twilio(twilio), timeout: self.timeout })
    }
}
