//! HTTP Basic authentication. Pure.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::response::Response;
use crate::config::model;
use crate::password::{Stored, Verdict, same};

/// Clients pad or do not.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The user name and password of a server.
pub(super) struct Credentials {
    user: Vec<u8>,
    password: Stored,
}

impl Credentials {
    /// The credentials a server asks for; none when it has no user name, as in the reference.
    pub fn of(server: &model::Server) -> Option<Credentials> {
        let user = server.username.as_ref().filter(|u| !u.is_empty())?;
        // what makes no sense was refused with the configuration; here it fits nothing
        let password =
            Stored::read(server.password.as_deref()).or_else(|_| Stored::read(None)).ok()?;
        Some(Credentials { user: user.clone().into_bytes(), password })
    }

    /// Whether the value of an `Authorization` header is right. What is malformed is wrong.
    pub fn judge(&self, authorization: Option<&str>) -> Verdict {
        match authorization.and_then(decode) {
            // no short cut: a wrong user name takes as long as a wrong password
            Some((user, password)) => self.password.judge(same(&user, &self.user), &password),
            None => Verdict::Wrong,
        }
    }

    /// The answer to someone who may not go on; none for who may.
    pub fn refusal(&self, authorization: Option<&str>) -> Option<Response> {
        match self.judge(authorization) {
            Verdict::Right => None,
            Verdict::Wrong => Some(unauthorized()),
            Verdict::Busy => Some(Response::error(503)),
        }
    }

    #[cfg(test)]
    fn accept(&self, authorization: Option<&str>) -> bool {
        self.judge(authorization) == Verdict::Right
    }
}

/// The answer to missing or wrong credentials.
fn unauthorized() -> Response {
    Response::error(401).with("WWW-Authenticate", "Basic realm=\"default\"")
}

/// User name and password of a Basic authorization. The password may hold colons.
fn decode(value: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, packed) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = DECODER.decode(packed.trim()).ok()?;
    let colon = pair.iter().position(|b| *b == b':')?;
    let (user, rest) = pair.split_at(colon);
    Some((user.to_vec(), rest.get(1..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn creds(user: &str, password: Option<&str>) -> Option<Credentials> {
        Credentials::of(&model::Server {
            section: "unix_http_server".into(),
            address: model::Address::Unix { path: PathBuf::new(), mode: 0o700, owner: None },
            username: Some(user.into()),
            password: password.map(str::to_owned),
            web: model::WebAccess::default(),
        })
    }
    fn basic(scheme: &str, pair: &str) -> String {
        format!("{scheme} {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }

    #[test]
    fn plain_passwords_are_compared() {
        let c = creds("us er", Some("pa:ss wd")).unwrap();
        assert!(c.accept(Some(&basic("Basic", "us er:pa:ss wd"))));
        assert!(c.accept(Some(&basic("basic", "us er:pa:ss wd"))));
        assert!(c.accept(Some(basic("Basic", "us er:pa:ss wd").trim_end_matches('='))));
        for bad in [
            basic("Basic", "us er:pa:ss w"),
            basic("Basic", "us er:pa:ss wdx"),
            basic("Basic", "x:pa:ss wd"),
            basic("Basic", "us er:"),
            basic("Basic", ":"),
            basic("Basic", "abc"),
            basic("Bearer", "us er:pa:ss wd"),
            "Basic !!!".into(),
            "Basic".into(),
            "Basic ".into(),
            String::new(),
        ] {
            assert!(!c.accept(Some(&bad)), "{bad}");
        }
        assert!(!c.accept(None));
    }

    #[test]
    fn hashed_passwords_are_hashed_before_they_are_compared() {
        let hash = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";
        let c = creds("u", Some(&format!("{{SHA}}{hash}"))).unwrap();
        assert!(c.accept(Some(&basic("Basic", "u:password"))));
        assert!(!c.accept(Some(&basic("Basic", &format!("u:{hash}")))));
        assert!(!c.accept(Some(&basic("Basic", &format!("u:{{SHA}}{hash}")))));
    }

    #[test]
    fn an_empty_user_name_means_no_check_and_no_password_means_no_entry() {
        assert!(creds("", Some("x")).is_none());
        let c = creds("u", None).unwrap();
        assert!(!c.accept(Some(&basic("Basic", "u:"))));
        assert!(creds("u", Some("")).unwrap().accept(Some(&basic("Basic", "u:"))));
    }
}
