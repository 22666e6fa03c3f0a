"""What a client system does to get a token, as a script. ``key`` makes a key pair, ``assertion`` signs a client assertion.

python client.py key private.json                        # prints the public key set for clients.yaml
python client.py assertion private.json CLIENT TOKEN_URL # prints a JWT that is good once, for five minutes
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey


def make_key(path: Path) -> str:
    """Write a new private key that only its owner can read; the public key set as JSON, which YAML takes as well."""
    key = ECKey.generate_key("P-384", {"kid": str(uuid.uuid4()), "alg": "ES384", "use": "sig"})
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        json.dump(key.as_dict(private=True), out)
    return json.dumps({"keys": [key.as_dict(private=False)]})


def assertion(path: Path, client_id: str, token_url: str) -> str:
    """A signed client assertion (SMART App Launch, "Client Authentication: Asymmetric")."""
    key = ECKey.import_key(json.loads(path.read_text()))
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode({"alg": "ES384", "kid": key.kid}, claims, key, algorithms=["ES384"])


def main(arguments: list[str]) -> int:
    match arguments:
        case ["key", path]:
            sys.stdout.write(make_key(Path(path)) + "\n")
        case ["assertion", path, client_id, token_url]:
            sys.stdout.write(assertion(Path(path), client_id, token_url) + "\n")
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
