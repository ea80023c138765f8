"""What openapi-python-client has made of the specification talks: `generated.py URL EMAIL PASSWORD`."""

import sys

from generated_client import AuthenticatedClient, Client
from generated_client.api.auth import login_access_token
from generated_client.api.pets import create_new_pet, get_all_my_pets
from generated_client.api.users import read_current_user
from generated_client.models import (
    OAuthErrorResponse,
    PetCreateRequest,
    PetResponse,
    TokenForm,
    TokenResponse,
    UserResponse,
)

API, EMAIL, PASSWORD = sys.argv[1:]

anybody = Client(base_url=API)
refused = login_access_token.sync(client=anybody, body=TokenForm(username=EMAIL, password="wrong"))
assert isinstance(refused, OAuthErrorResponse)
assert refused.error == "invalid_grant"
tokens = login_access_token.sync(client=anybody, body=TokenForm(username=EMAIL, password=PASSWORD))
assert isinstance(tokens, TokenResponse)
caller = AuthenticatedClient(base_url=API, token=tokens.access_token)
me = read_current_user.sync(client=caller)
assert isinstance(me, UserResponse)
assert me.email == EMAIL
pet = create_new_pet.sync(client=caller, body=PetCreateRequest(pet_name="Rex"))
assert isinstance(pet, PetResponse)
pets = get_all_my_pets.sync(client=caller)
assert isinstance(pets, list)
assert pet.id in [listed.id for listed in pets]
