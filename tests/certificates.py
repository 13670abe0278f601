"""Certificates for servers on this machine, valid in whatever year the tests run."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BEGIN, END = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2000, 2100))
PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates; ``pem`` is its own, for those who trust it."""

    def __init__(self, name: str = "our authority") -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        built = self._certificate(self._name, self._key)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = built.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def issue(self, host: str) -> tuple[bytes, bytes]:
        """A server's certificate and its private key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_as_alternative(host)])
        built = self._certificate(_named(host), key).add_extension(names, critical=False)
        plain = serialization.NoEncryption()
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
        return built.sign(self._key, hashes.SHA256()).public_bytes(PEM), private

    def server_context(self, folder: Path, host: str) -> ssl.SSLContext:
        """What a server needs that shows such a certificate; its files are left in the folder."""
        certificate, key = folder / "server.crt", folder / "server.key"
        for file, content in zip((certificate, key), self.issue(host), strict=True):
            file.write_bytes(content)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        built = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        built = built.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return built.not_valid_before(BEGIN).not_valid_after(END)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _as_alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
