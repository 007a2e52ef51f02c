//! E-mail over SMTP inside TLS. Each recipient is served by itself, so that one whom the server refuses costs the others
//! nothing. The Message-ID comes of the message, so a resend is recognised as one; References keep an incident together.

use crate::answer::Answer;
use crate::heart::What;
use crate::message::Message;
use crate::notice::Severity;
use crate::render::Measure;
use crate::secret::Secret;
use crate::settings::{Faults, Revealed};
use crate::transport::smtp::{SmtpFault, Start, connect};
use crate::transport::tls::Trust;
use failstop_settings::document::Node;
use failstop_settings::{
    At, Consistent, Kind as Problem, Places, Reading, Secret as Place, Setting, section, shown, within,
};
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest subject, characters.
const SUBJECT_MAX: usize = 200;

/// The longest text, characters.
const TEXT_MAX: usize = 20_000;

/// What is tried, the best first; always inside TLS.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// E-mail over SMTP with TLS.
#[derive(Clone)]
pub struct Email {
    /// The server's name, which its certificate must have.
    pub host: String,
    /// Its port; 465 is usual for implicit TLS, 587 for STARTTLS.
    pub port: u16,
    /// How TLS begins.
    pub start: Start,
    /// User and password, if the server wants them.
    pub login: Option<(String, Secret)>,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
}

impl Email {
    /// Whether every address is one.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub(crate) fn check(&self) -> Result<(), String> {
        for address in std::iter::once(&self.from).chain(&self.to) {
            address.parse::<Mailbox>().map_err(|_| format!("{address} is not a mail address"))?;
        }
        if self.to.is_empty() { Err("it has no recipient: set `to`".to_owned()) } else { Ok(()) }
    }

    fn domain(&self) -> &str {
        self.from.rsplit_once('@').map_or("failstop.invalid", |(_, domain)| domain.trim_end_matches('>'))
    }

    /// The whole mail.
    fn mail(&self, message: &Message) -> Result<Vec<u8>, String> {
        let unusable = |_| "an address or header cannot be written".to_owned();
        let domain = self.domain();
        let root = format!("<{}@{domain}>", message.incident_id);
        let address = |text: &str| text.parse::<Mailbox>().map_err(|_| "an address is not one".to_owned());
        let mut builder: MessageBuilder = lettre::Message::builder()
            .from(address(&self.from)?)
            .subject(one_line(&Measure::Chars.cut(&message.text.headline, SUBJECT_MAX)))
            .date(std::time::SystemTime::from(message.now))
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .in_reply_to(root.clone())
            .references(root);
        for to in &self.to {
            builder = builder.to(address(to)?);
        }
        let importance = match (message.order.what, message.order.notice.severity) {
            (What::Trigger | What::Escalation | What::Reminder | What::Update, Severity::Critical) => "high",
            _ => "normal",
        };
        for (name, value) in [
            ("Auto-Submitted", "auto-generated"),
            ("Importance", importance),
            ("X-Failstop-Incident", message.order.key.as_str()),
            ("X-Failstop-Severity", message.order.notice.severity.name()),
        ] {
            let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| "a header's name is none".to_owned())?;
            builder = builder.raw_header(HeaderValue::new(name, one_line(value)));
        }
        let text = if message.order.plain {
            message.text.headline.clone()
        } else {
            message.text.fit(TEXT_MAX, Measure::Chars)
        };
        let mail = builder.header(ContentType::TEXT_PLAIN).body(text.replace('\n', "\r\n")).map_err(unusable)?;
        Ok(mail.formatted())
    }

    /// Sends the message to one recipient.
    pub(crate) async fn send(&self, trust: &Trust, message: &Message, to: &str, within: Duration) -> Answer {
        // Whether the server may have taken it: from the moment at which the text leaves.
        let sent = AtomicBool::new(false);
        match tokio::time::timeout(within, self.talk(trust, message, to, &sent)).await {
            Ok(answer) => answer,
            Err(_) if sent.load(Ordering::Relaxed) => {
                Answer::Ambiguous { reason: "no answer to the mail within the time-out".to_owned() }
            }
            Err(_) => Answer::retry("the server was too slow"),
        }
    }

    async fn talk(&self, trust: &Trust, message: &Message, to: &str, sent: &AtomicBool) -> Answer {
        let mail = match self.mail(message) {
            Ok(mail) => mail,
            Err(fault) => return Answer::fix_payload(fault),
        };
        let addresses = (self.from.parse::<Mailbox>(), to.parse::<Mailbox>());
        let (Ok(from), Ok(to)) = addresses else { return Answer::permanent("an address is not one") };
        let Ok(envelope) = Envelope::new(Some(from.email), vec![to.email]) else {
            return Answer::permanent("there is no recipient");
        };
        let hello = ClientId::Domain(self.domain().to_owned());
        let stream = match connect(trust, &self.host, self.port, self.start, self.domain()).await {
            Ok(stream) => stream,
            Err(SmtpFault::Later(reason)) => return Answer::retry(reason),
            Err(SmtpFault::Refused(reason)) => return Answer::permanent(reason),
            Err(SmtpFault::Said(code)) => return by_code(code, "when TLS was asked for"),
        };
        let mut connection = match AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await {
            Ok(connection) => connection,
            Err(error) => return before(&error, "greeting"),
        };
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                return Answer::permanent("the server offers no way to log in that is known here (PLAIN, LOGIN)");
            }
            if let Err(error) = connection.auth(&MECHANISMS, &credentials).await {
                return before(&error, "login");
            }
        }
        let steps = async {
            connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(|e| (e, "sender"))?;
            for to in envelope.to() {
                connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(|e| (e, "recipient"))?;
            }
            connection.command(Data).await.map_err(|e| (e, "mail"))
        };
        if let Err((error, stage)) = steps.await {
            let answer = before(&error, stage);
            connection.abort().await;
            return answer;
        }
        sent.store(true, Ordering::Relaxed);
        let answer = match connection.message(&mail).await {
            Ok(_) => Answer::ok(),
            Err(error) => match error.status() {
                Some(code) => by_code(u16::from(code), "to the mail"),
                None => Answer::Ambiguous { reason: "the connection ended before the answer to the mail".to_owned() },
            },
        };
        // The mail is out; how the server says good-bye changes nothing.
        let _ = connection.quit().await;
        answer
    }
}

/// What an error before the text left means.
fn before(error: &lettre::transport::smtp::Error, stage: &str) -> Answer {
    match error.status() {
        Some(code) => by_code(u16::from(code), &format!("at the {stage}")),
        None => Answer::retry(format!("the connection ended at the {stage}")),
    }
}

/// What a reply code means, RFC 5321 4.2.1: 4yz may pass, 5yz will not. The server's own words are not repeated: they may
/// hold what it was sent.
fn by_code(code: u16, stage: &str) -> Answer {
    let reason = format!("the server answered {code} {stage}");
    match code {
        200..=299 => Answer::ok(),
        535 | 530 | 534 => Answer::permanent(format!("{reason}; check user and password")),
        550..=553 => Answer::permanent(format!("{reason}; check the addresses")),
        500..=599 => Answer::permanent(reason),
        _ => Answer::retry(reason),
    }
}

/// Nothing that could begin another header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

section! {
    /// E-mail over SMTP with TLS.
    pub struct EmailTable {
        /// The server and the user: smtps:// for TLS from the first byte, smtp:// for STARTTLS, which is then required.
        smtp_url: SmtpUrl, required "smtps://user@mail.example.com:465";
        /// The user's password.
        password: Option<Place>, absent { file = "secrets/smtp" };
        /// The sender.
        from: Address, required "failstop@example.com";
        /// Who is written to.
        to: Vec<Address>, required ["ops@example.com"];
        /// How long one attempt may take.
        timeout: Duration, default "30s", within("1s", "5m");
    }
}

impl Consistent for EmailTable {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.to.is_empty() {
            let message = format!("`to` in {} is empty", places.label);
            reading.refuse(Problem::BadValue, &places.first_of(&["to"]), message, "write at least one address");
        }
        if self.password.is_some() && self.smtp_url.user.is_none() {
            let message = format!("{} has a password and no user", places.label);
            let help = "write the user into the URL: smtps://user@mail.example.com:465";
            reading.refuse(Problem::Contradiction, &places.first_of(&["password"]), message, help);
        }
        if self.password.is_none() && self.smtp_url.user.is_some() {
            let message = format!("{} has a user and no password", places.label);
            let help = "add `password = { file = \"secrets/smtp\" }`, or remove the user from the URL";
            reading.refuse(Problem::Missing, &places.first_of(&["smtp_url"]), message, help);
        }
    }
}

impl EmailTable {
    /// The channel, with its secrets fetched.
    pub(crate) fn revealed(&self) -> Result<Revealed, Faults> {
        let login = match (&self.smtp_url.user, &self.password) {
            (Some(user), Some(place)) => Some((user.clone(), crate::settings::reveal("password", place)?)),
            (None, _) | (_, None) => None,
        };
        let email = Email {
            host: self.smtp_url.host.clone(),
            port: self.smtp_url.port,
            start: self.smtp_url.start,
            login,
            from: self.from.0.clone(),
            to: self.to.iter().map(|address| address.0.clone()).collect(),
        };
        Ok(Revealed { kind: crate::Kind::Email(email), timeout: self.timeout })
    }
}

/// `smtps://[user@]host[:port]`, or `smtp://` for STARTTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpUrl {
    /// The user, as it is: `%40` of the URL is `@` here.
    pub user: Option<String>,
    /// The server's name, which its certificate must have.
    pub host: String,
    /// Given, or 465 or 587.
    pub port: u16,
    /// How TLS begins.
    pub start: Start,
}

/// Why a text is no URL of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpUrlFault {
    /// It holds a password.
    Password,
    /// It is not of that form.
    Shape,
}

impl std::str::FromStr for SmtpUrl {
    type Err = SmtpUrlFault;

    fn from_str(text: &str) -> Result<Self, SmtpUrlFault> {
        let (start, rest) = match (text.strip_prefix("smtps://"), text.strip_prefix("smtp://")) {
            (Some(rest), _) => (Start::Implicit, rest),
            (None, Some(rest)) => (Start::StartTls, rest),
            (None, None) => return Err(SmtpUrlFault::Shape),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(SmtpUrlFault::Password);
        }
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0).ok_or(SmtpUrlFault::Shape)?),
            None => (host, if start == Start::Implicit { 465 } else { 587 }),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/?#[]\\\"<>:".contains(c);
        if host.is_empty() || host.contains(odd) || user.is_some_and(|user| user.is_empty() || user.contains(odd)) {
            return Err(SmtpUrlFault::Shape);
        }
        let user = user.map(|user| user.replace("%40", "@").replace("%25", "%"));
        Ok(Self { user, host: host.to_owned(), port, start })
    }
}

impl Setting for SmtpUrl {
    const WANTED: &'static str = "a URL, like \"smtps://user@mail.example.com:465\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        match text.parse() {
            Ok(url) => Some(url),
            Err(SmtpUrlFault::Shape) => {
                let message = format!("{} must be a URL of a mail server; found \"{}\"", at.name(), shown(&text));
                reading.refuse(Problem::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
                None
            }
            Err(SmtpUrlFault::Password) => {
                let host = text.rsplit_once('@').map_or("mail.example.com", |(_, host)| host);
                let message = format!("{} holds a password", at.name());
                let help = format!(
                    "write it without the password ({}) and add `password = {{ file = \"secrets/smtp\" }}`",
                    shown(host)
                );
                reading.refuse(Problem::ExposedSecret, &node.origin, message, help);
                None
            }
        }
    }
}

/// A mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub String);

impl Setting for Address {
    const WANTED: &'static str = "a mail address, like \"ops@example.com\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        if text.parse::<Mailbox>().is_err() || text.contains(char::is_control) {
            let message = format!("{} must be a mail address; found \"{}\"", at.name(), shown(&text));
            reading.refuse(Problem::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
            return None;
        }
        Some(Self(text))
    }
}
