"""Reads {keys, tokens, plains}; prints what Airflow's MultiFernet makes of them: {decrypted, tokens}. Texts are base64 where bytes are meant."""

import base64
import json
import sys

from cryptography.fernet import Fernet, MultiFernet

task = json.load(sys.stdin)
fernet = MultiFernet([Fernet(key.encode()) for key in task["keys"].split(",")])
decrypted = [base64.b64encode(fernet.decrypt(token.encode())).decode() for token in task["tokens"]]
tokens = [fernet.encrypt(base64.b64decode(plain)).decode() for plain in task["plains"]]
print(json.dumps({"decrypted": decrypted, "tokens": tokens}))
