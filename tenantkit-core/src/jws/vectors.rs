//! The examples of the standards: RFC 7515, appendices A.2 and A.3, and RFC 8037, appendix A.4.

use super::{Compact, jwk, jwk::Jwk};
use crate::Reason;

const RS256: (&str, &str, &str) = (
    r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
);

const ES256: (&str, &str, &str) = (
    r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
);

const EDDSA: (&str, &str, &str) = (
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
);

fn verify((key, signed, signature): (&str, &str, &str)) -> Result<(), Reason> {
    let jwk: Jwk<'_> = jwk::read(key).unwrap();
    let key = jwk.public(jwk.algorithm().unwrap()).unwrap();
    Compact::split(&format!("{signed}.{signature}")).unwrap().verify(&key)
}

#[test]
fn the_examples_of_the_standards_verify() {
    for example in [RS256, ES256, EDDSA] {
        assert_eq!(verify(example), Ok(()));
    }
}

#[test]
fn an_example_with_another_payload_does_not() {
    for (key, signed, signature) in [RS256, ES256, EDDSA] {
        assert_eq!(
            verify((key, &signed[..signed.len() - 4], signature)),
            Err(Reason::BadSignature)
        );
    }
}

#[test]
fn the_signature_of_one_kind_of_key_is_not_that_of_another() {
    for (key, ..) in [RS256, ES256, EDDSA] {
        for (other, signed, signature) in [RS256, ES256, EDDSA] {
            if key != other {
                assert_eq!(verify((key, signed, signature)), Err(Reason::BadSignature));
            }
        }
    }
}

/// RFC 8037, appendix A.1 and A.4: Ed25519 is deterministic, so we sign the very same.
#[test]
fn the_private_key_of_the_example_signs_as_the_example_does() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let jwk: Jwk<'_> = jwk::read(key).unwrap();
    let private = jwk.private(jwk.algorithm().unwrap()).unwrap();
    let (_, signed, signature) = EDDSA;
    let ours = private.sign(signed.as_bytes()).unwrap();
    assert_eq!(base64::Engine::encode(&super::BASE64, ours), signature);
}
