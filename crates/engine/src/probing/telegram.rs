//! Telegram's `getMe`: the token is good and the service answers. The token is part of the URL, so nothing of that is shown.

use super::fault::{Answer, ProbeFault, origin, peers_words};
use super::http::{BODY_MAX, Client, Method};
use crate::config::{Secret, Url};
use serde_json::Value;

pub(super) async fn get_me(client: &Client, api_base: &Url, token: &Secret) -> Result<Answer, ProbeFault> {
    let target = origin(api_base);
    let token =
        token.reveal().map_err(|fault| ProbeFault::Unusable { target: target.clone(), why: fault.to_string() })?;
    let unusable = |why: &str| ProbeFault::Unusable { target: target.clone(), why: why.to_owned() };
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-')) {
        return Err(unusable("the token holds what no token of a Telegram bot holds"));
    }
    let url = format!("{target}{}/bot{token}/getMe", api_base.path.trim_end_matches('/'));
    let response = client.ask(Method::Get, &url, &target, BODY_MAX).await?;
    let unfit = |how: String| ProbeFault::Unfit { target: target.clone(), how };
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    match (response.status, answer.get("ok").and_then(Value::as_bool)) {
        (200, Some(true)) => {
            let name = answer.pointer("/result/username").and_then(Value::as_str).unwrap_or_default();
            Ok(Answer::saying(format!("answers as @{}", peers_words(name))))
        }
        (401 | 404, _) => Err(unfit("does not take the token".to_owned())),
        (200, _) => Err(unfit("answers with something that is not Telegram's".to_owned())),
        (status, _) => Err(ProbeFault::Status { target: target.clone(), status }),
    }
}
