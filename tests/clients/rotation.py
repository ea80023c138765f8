"""PyJWT, with the key set cached: `rotation.py URL` says of each token on its input whether it verifies."""

import sys
import time

import jwt

API = sys.argv[1]
now = time.monotonic()
time.monotonic = lambda: now  # PyJWT asks for an unknown key again after 30 s, and servers may start more slowly
key_set = jwt.PyJWKClient(f"{API}/.well-known/jwks.json")

for line in sys.stdin:
    try:
        key = key_set.get_signing_key_from_jwt(line.strip())
        jwt.decode(line.strip(), key, [key.algorithm_name], audience=API, issuer=API)
        print("good", flush=True)
    except jwt.PyJWTError as error:
        print(type(error).__name__, flush=True)
