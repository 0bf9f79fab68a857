//! What must hold between the parts of a definition, beyond what the reading of each part checks.

mod grant;
mod names;
mod places;

use crate::Definition;

/// Says at which key and why, if something does not fit.
pub(crate) fn cross_check(definition: &Definition) -> Result<(), String> {
    names::check(definition)?;
    grant::check(definition)?;
    places::check(definition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokend_model::IntegrationTypeName;

    const HEAD: &str =
        "display_name = 'Acme'\ndescription = ''\ncategory = ''\ndocumentation_url = ''\n";
    const CODE: &str = "[authorize]\nurl = 'https://acme.example.com/a'\n";
    const TOKEN: &str = "[token]\nurl = 'https://acme.example.com/t'\n";

    /// What is wrong with a definition, if anything is.
    fn wrong(about: &str, sections: &str) -> String {
        let text = format!("[about]\n{HEAD}{about}\n{sections}");
        let name = IntegrationTypeName::new("acme").expect("a name");
        let parsed = Definition::parse(&name, &text, true);
        parsed.err().map(|error| error.0).unwrap_or_default()
    }

    fn field(name: &str, operator_only: bool) -> String {
        format!(
            "[[connection_config]]\nname = '{name}'\ndisplay_name = ''\ndescription = ''\n\
             pattern = '.*'\npattern_error = ''\noperator_only = {operator_only}\n"
        )
    }

    fn capture(name: &str) -> String {
        format!("[[capture]]\nname = '{name}'\ndescription = ''\npointer = '/x'\npattern = '.*'\n")
    }

    fn with_token(url: &str, rest: &str) -> String {
        format!("{CODE}[token]\nurl = '{url}'\n{rest}")
    }

    fn with(sections: &str) -> String {
        format!("{CODE}{TOKEN}{sections}")
    }

    fn revoke(url: &str) -> String {
        format!(
            "{}{}",
            with(&format!("[revoke]\nurl = '{url}'\n")),
            capture("site")
        )
    }

    #[test]
    fn who_chooses_a_host_is_the_operator_or_bound_to_the_hosts() {
        let hosts = "hosts = ['example.com']";
        for url in [
            "https://{domain}/t",
            "https://{domain}.com/t",
            "https://eu.{domain}.example.com/t",
            "{domain}/t",
        ] {
            let by_anybody = with_token(url, &field("domain", false));
            let told = wrong("", &by_anybody);
            for words in ["token.url", "{domain}", "operator_only", "about.hosts"] {
                assert!(told.contains(words), "{url}: {words} is not in {told}");
            }
            assert_eq!(wrong(hosts, &by_anybody), "", "{url}");
            assert_eq!(
                wrong("", &with_token(url, &field("domain", true))),
                "",
                "{url}"
            );
        }
        let label = with_token("https://{domain}.example.com/t", &field("domain", false));
        assert_eq!(wrong("", &label), "");
        // A whole URL may hold a query, in which there may be anything.
        let whole = wrong(hosts, &with_token("{domain}", &field("domain", false)));
        assert!(whole.contains("operator_only"), "{whole}");
        let settings = with_token("https://acme.example.com/t", "auth = '{how}'\n");
        let told = wrong("", &format!("{settings}{}", field("how", false)));
        assert!(
            told.contains("token.auth") && told.contains("operator_only"),
            "{told}"
        );
        assert_eq!(wrong("", &format!("{settings}{}", field("how", true))), "");
    }

    #[test]
    fn what_is_learnt_is_known_once_the_token_is_there_and_chooses_no_host() {
        assert_eq!(wrong("", &revoke("https://acme.example.com/{site}/r")), "");
        assert_eq!(wrong("", &revoke("https://{site}.example.com/r")), "");
        for url in ["https://{site}/r", "{site}/r"] {
            let told = wrong("", &revoke(url));
            assert!(told.contains("is learnt"), "{url}: {told}");
            assert_eq!(wrong("hosts = ['example.com']", &revoke(url)), "", "{url}");
        }
        let told = wrong("hosts = ['example.com']", &revoke("{site}"));
        assert!(told.contains("is learnt"), "{told}");
        for early in [
            with_token("https://acme.example.com/{site}/t", &capture("site")),
            with(&format!(
                "[refresh]\nurl = 'https://acme.example.com/{{site}}'\n{}",
                capture("site")
            )),
            with_token(
                "https://acme.example.com/t",
                &format!("params = {{ a = '{{site}}' }}\n{}", capture("site")),
            ),
        ] {
            let told = wrong("", &early);
            assert!(
                told.contains("{site}") && told.contains("too late"),
                "{told}"
            );
        }
    }

    #[test]
    fn endpoints_come_from_metadata_only() {
        let sections = with_token("{token_endpoint}", "");
        let told = wrong("", &sections);
        assert!(
            told.contains("token.url") && told.contains("token_endpoint"),
            "{told}"
        );
        let issuer =
            "[metadata]\nurl = 'https://acme.example.com/m'\nissuer = 'https://acme.example.com'\n";
        assert_eq!(wrong("", &format!("{sections}{issuer}")), "");
    }

    #[test]
    fn who_chooses_the_metadata_chooses_its_endpoints() {
        for url in [
            "https://{tenant}.example.com/m",
            "https://pages.example.com/{tenant}/m",
        ] {
            let of = |operator_only| {
                let token = with_token("{token_endpoint}", "");
                let field = field("tenant", operator_only);
                format!("{token}[metadata]\nurl = '{url}'\nissuer = '{url}'\n{field}")
            };
            let told = wrong("", &of(false));
            for words in ["metadata.url", "operator_only", "about.hosts"] {
                assert!(told.contains(words), "{url}: {words} is not in {told}");
            }
            assert_eq!(wrong("", &of(true)), "", "{url}");
            assert_eq!(wrong("hosts = ['example.com']", &of(false)), "", "{url}");
        }
    }

    #[test]
    fn each_grant_has_its_sections_and_no_others() {
        let assertion = "[assertion]\n";
        let subject = "[subject]\ntoken_type = 'jwt'\n";
        let credential = "[credential]\ndisplay_name = ''\ndescription = ''\n";
        for (about, sections, told) in [
            ("", format!("{CODE}{TOKEN}"), ""),
            ("", TOKEN.to_owned(), "needs [authorize]"),
            ("", CODE.to_owned(), "needs [token]"),
            ("grant = 'client_credentials'", TOKEN.to_owned(), ""),
            (
                "grant = 'client_credentials'",
                format!("{CODE}{TOKEN}"),
                "has no use for [authorize]",
            ),
            ("grant = 'jwt_bearer'", format!("{TOKEN}{assertion}"), ""),
            (
                "grant = 'jwt_bearer'",
                TOKEN.to_owned(),
                "needs [assertion]",
            ),
            ("grant = 'token_exchange'", format!("{TOKEN}{subject}"), ""),
            (
                "grant = 'token_exchange'",
                TOKEN.to_owned(),
                "needs [subject]",
            ),
            ("grant = 'static'", credential.to_owned(), ""),
            (
                "grant = 'static'",
                format!("{credential}{TOKEN}"),
                "has no use for [token]",
            ),
            ("grant = 'static'", String::new(), "needs [credential]"),
            (
                "grant = 'client_credentials'",
                format!("{TOKEN}[refresh]\nwith = 'access_token'\n"),
                "refresh.with",
            ),
            (
                "grant = 'client_credentials'",
                format!("{TOKEN}[device]\nurl = 'https://acme.example.com/d'\n"),
                "device",
            ),
        ] {
            let error = wrong(about, &sections);
            assert_eq!(
                error.is_empty(),
                told.is_empty(),
                "{about} {sections}: {error}"
            );
            assert!(error.contains(told), "{about} {sections}: {error}");
        }
    }

    #[test]
    fn names_are_taken_once() {
        for twice in [
            format!("{}{}", field("site", true), capture("site")),
            field("client_id", true),
            field("token", true),
            capture("client_secret"),
        ] {
            let told = wrong("", &with(&twice));
            assert!(told.contains("taken"), "{twice}: {told}");
        }
    }
}
