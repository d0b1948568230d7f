"""Prints keys and, for each, tokens that it signs."""

import json
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

issuer, audience = sys.argv[1:]
now = int(time.time())
makers = {
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "RS256": (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAAlgorithm),
}
keys = {algorithm: (make(), kind, make()) for algorithm, (make, kind) in makers.items()}


def token(algorithm, key, **changed):
    claims = {"iss": issuer, "aud": audience, "sub": "alice", "tenant": "acme"}
    claims |= {"iat": now, "exp": now + 300} | changed
    return jwt.encode(claims, key, algorithm, headers={"kid": f"python-{algorithm}"})


print(
    json.dumps(
        [
            {
                "jwk": json.loads(kind.to_jwk(key.public_key()))
                | {"kid": f"python-{algorithm}", "alg": algorithm, "use": "sig"},
                "good": token(algorithm, key),
                "expired": token(algorithm, key, iat=now - 600, exp=now - 300),
                "other audience": token(algorithm, key, aud="elsewhere"),
                "forged": token(algorithm, forger),
            }
            for algorithm, (key, kind, forger) in keys.items()
        ]
    )
)
