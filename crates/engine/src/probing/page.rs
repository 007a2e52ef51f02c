//! A page that is read whole: with headers that may be keys, no redirect, a bounded body.

use super::fault::{Answer, Page, ProbeFault, shown};
use super::http::{Client, Method};
use crate::config;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

pub(super) async fn read(client: &Client, page: &config::Page) -> Result<Answer, ProbeFault> {
    let target = shown(&page.url);
    let unusable = |why: String| ProbeFault::Unusable { target: target.clone(), why };
    let mut headers = HeaderMap::new();
    for header in &page.headers {
        let value = header.value.reveal().map_err(|fault| unusable(fault.to_string()))?;
        let name = HeaderName::try_from(header.name.as_str())
            .map_err(|_| unusable(format!("\"{}\" is no name of a header", header.name)))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| unusable(format!("the value of the header {name} holds what no header may")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let response = client.ask(Method::GetWith(headers), &page.url.to_string(), &target, page.most).await?;
    match response.status {
        status @ 200..=299 => Ok(Answer {
            page: Some(Page { status, body: response.body }),
            ..Answer::saying(format!("answers with status {status}"))
        }),
        status => Err(ProbeFault::Status { target, status }),
    }
}
