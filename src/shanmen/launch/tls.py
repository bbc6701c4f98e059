"""A certificate of our own for phones on the local network: the camera needs a secure context."""

import ipaddress
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shanmen.kit import clock
from shanmen.launch.addresses import names

DAYS = 397
"""Browsers refuse certificates that are valid for longer (CA/Browser Forum, since 2020-09-01)."""


def self_signed(data_dir: Path, *, host: str) -> tuple[Path, Path]:
    """The certificate and key in `data_dir/tls`, made when there are none or they run out."""
    folder = data_dir / "tls"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if certificate.exists() and key.exists():
        left = (
            x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
            - clock.now()
        )
        if left > timedelta(days=7):
            return certificate, key
    folder.mkdir(parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Shanmen on the local network")])
    now = clock.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(names(host))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.touch(mode=0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _names(found: list[str]) -> list[x509.GeneralName]:
    made: list[x509.GeneralName] = []
    for value in found:
        try:
            made.append(x509.IPAddress(ipaddress.ip_address(value)))
        except ValueError:
            made.append(x509.DNSName(value))
    return made
