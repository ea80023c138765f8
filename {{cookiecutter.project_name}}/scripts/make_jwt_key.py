"""Print a new JWT_PRIVATE_KEY, on one line, as `.env` and the forms of hosting platforms want it."""

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
print(pem.decode().strip().replace("\n", "\\n"))
