"""A throw-away certificate authority for the bench's TLS servers, and what the functions trust.

The chain is like that of AWS's endpoints: RSA keys of 2,048 bits, a server's certificate, an intermediate one, and
Amazon's root signed by an older root. Each client has its own roots and the bench's, so that it parses as many
as in AWS. Needs the `openssl` command.
"""

import subprocess
from pathlib import Path

CERTIFICATES = Path(__file__).resolve().parents[1] / ".local" / "bench" / "certificates"
_AUTHORITY = "basicConstraints=critical,CA:TRUE"
# Each certificate with the one that signs it, and its extensions; a second certificate of the root, as Amazon has it.
_CERTIFICATES = (
    ("older", "older", "older", _AUTHORITY),
    ("root", "root", "root", _AUTHORITY),
    ("root", "root-by-older", "older", _AUTHORITY),
    ("intermediate", "intermediate", "root", _AUTHORITY),
    ("server", "server", "intermediate", "subjectAltName=IP:127.0.0.1"),
)
_SENT = ("server", "intermediate", "root-by-older")


def make_certificates(folder: Path) -> None:
    """Make `chain.pem`, `server.key` and `root.pem`, unless they are there."""
    if (folder / "chain.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for subject, name, issuer, extension in _CERTIFICATES:
        if not (folder / f"{subject}.key").exists():
            _openssl(folder, "genrsa", "-out", f"{subject}.key", "2048")
        request = ["req", "-new", "-key", f"{subject}.key", "-subj", f"/CN=bench {subject}"]
        _openssl(folder, *request, "-out", "request.pem")
        (folder / "extension.txt").write_text(extension)
        signed_by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"]
        own = ["-signkey", f"{subject}.key"]
        signed = ["x509", "-req", "-in", "request.pem", "-days", "3650", "-sha256"]
        signed += own if name == issuer else signed_by
        _openssl(folder, *signed, "-extfile", "extension.txt", "-out", f"{name}.pem")
    chain = "".join((folder / f"{name}.pem").read_text() for name in _SENT)
    (folder / "chain.pem").write_text(chain)


def trusted(folder: Path, roots: Path) -> Path:
    """Return a file with these roots and the bench's."""
    file = folder / f"trusted-{roots.name}"
    file.write_text(roots.read_text() + (folder / "root.pem").read_text())
    return file


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
