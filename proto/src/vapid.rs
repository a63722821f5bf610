//! Who sends by Web Push (RFC 8292): a JSON Web Token of the relay's own VAPID key, made out to one push service. It is no
//! document of ours: its header names no key id, so no verifier here takes it for one.

use crate::encoding::Bytes;
use crate::jws::{self, JwsError};
use crate::keys::SigningKey;
use crate::time::UnixTime;
use serde::Serialize;

/// Longest life of a token in seconds; push services refuse more than a day.
pub const MAX_LIFE: u64 = 86_400;

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: UnixTime,
    sub: &'a str,
}

/// The `Authorization` header of a message to the push service whose origin is `audience`. `subject` is an address at which
/// the service can reach whoever runs the relay: `mailto:` or `https:`.
pub fn authorization(key: &SigningKey, audience: &str, subject: &str, exp: UnixTime) -> Result<String, JwsError> {
    let claims = Claims {
        aud: audience,
        exp,
        sub: subject,
    };
    let token = jws::sign_token(key, &claims)?;
    Ok(format!("vapid t={token}, k={}", Bytes::encode(key.public().point())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::relay::Claim;

    #[test]
    fn a_token_is_signed_by_the_key_that_stands_beside_it_and_is_no_document_of_ours() {
        let key = SigningKey::generate().unwrap();
        let (aud, sub) = ("https://push.example.org", "mailto:admin@example.org");
        let header = authorization(&key, aud, sub, UnixTime(1_900_000_000)).unwrap();
        let (token, named) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(Bytes::decode(named).unwrap(), key.public().point());
        let parts: Vec<&str> = token.split('.').collect();
        let read = |part: &str| String::from_utf8(Bytes::decode(part).unwrap()).unwrap();
        assert_eq!(read(parts[0]), r#"{"typ":"JWT","alg":"ES256"}"#);
        let claims = r#"{"aud":"https://push.example.org","exp":1900000000,"sub":"mailto:admin@example.org"}"#;
        assert_eq!(read(parts[1]), claims);
        let signed = format!("{}.{}", parts[0], parts[1]);
        let signature = Bytes::decode(parts[2]).unwrap();
        assert!(key.public().verifies(signed.as_bytes(), &signature));
        assert_eq!(Claim::verify(token, &key.public(), aud), Err(JwsError::Header));
    }
}
