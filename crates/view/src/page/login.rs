//! The way to the page with a browser: a form that takes a token, and one that gives it back. No script: a form is enough.

use super::{glyph, prose, text, whole};
use crate::Tone;
use maud::{Markup, html};

/// What a browser may do on these pages: send the form to their own origin, and nothing else.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// The form, for `system`; `wrong`: what was wrong with the last try.
pub fn login(system: &str, wrong: Option<&str>) -> String {
    let body = html! {
        form.controls method="post" action="login" {
            fieldset {
                legend { "Log in to " (text(system)) }
                p #login-help {
                    "A token is made on the engine\u{2019}s host: "
                    code { "failstop token new NAME --role viewer" }
                }
                label {
                    span { "Token" }
                    input name="token" type="password" required maxlength="200" autocomplete="current-password"
                        autocapitalize="none" spellcheck="false" aria-describedby="login-help";
                }
                button type="submit" { "Log in" }
            }
            @if let Some(wrong) = wrong { p.outcome role="alert" { span.bad { (glyph(Tone::Bad)) } " " (prose(wrong)) } }
        }
    };
    framed(&format!("Log in \u{b7} {} \u{b7} failstop", text(system)), &body)
}

/// Who is logged in to `system`, and the way out.
pub fn logged_in(system: &str, who: &str, role: &str) -> String {
    let body = html! {
        form.controls method="post" action="logout" {
            fieldset {
                legend { "Logged in to " (text(system)) }
                p { "This browser acts as " strong { (text(who)) } ", " (text(role)) "." }
                p { a href="./" { "To the system" } }
                button type="submit" { "Log out" }
            }
        }
    };
    framed(&format!("Logged in \u{b7} {} \u{b7} failstop", text(system)), &body)
}

fn framed(title: &str, body: &Markup) -> String {
    whole(title, false, &html! { main #main { section.card.login aria-label="Log in" { (body) } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_text_and_no_script_is_asked_for() {
        let page = login("demo <i>", Some("<script>alert(1)</script>, as `failstop token new` printed it"));
        assert!(
            page.contains("Log in to demo &lt;i&gt;</legend>") && page.contains("<title>Log in · demo &lt;i&gt;"),
            "{page}"
        );
        assert!(page.contains("<code>failstop token new</code>"), "{page}");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
        assert!(page.contains("method=\"post\" action=\"login\"") && page.contains("name=\"token\" type=\"password\""));
        assert!(!login("demo", None).contains("role=\"alert\""));
        let page = logged_in("demo", "token <b>", "admin");
        assert!(
            page.contains("token &lt;b&gt;")
                && page.contains("Logged in to demo")
                && page.contains("action=\"logout\""),
            "{page}"
        );
        assert!(POLICY.contains("form-action 'self'") && !POLICY.contains("script-src"));
    }
}
