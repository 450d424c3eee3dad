#!/bin/sh
# Makes the certificates of the TLS tests, good from 2020 to 2120: an authority, a server of it for localhost, a client of it, and
# a stranger who is an authority of his own. Needs openssl 3; the authority's key is thrown away.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
touch "$work/index"
cat > "$work/ca.conf" <<CONF
[ca]
default_ca = authority
[authority]
database = $work/index
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
default_startdate = 20200101000000Z
default_enddate = 21200101000000Z
policy = any
copy_extensions = copy
[any]
commonName = supplied
CONF
certificate() { # name, common name, extension, then how to sign
  name=$1; subject=$2; extension=$3; shift 3
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$name.key.pem"
  openssl req -new -key "$name.key.pem" -subj "/CN=$subject" -addext "$extension" -out "$work/$name.csr"
  openssl ca -batch -notext -config "$work/ca.conf" -in "$work/$name.csr" -out "$name.pem" "$@"
}
certificate ca 'Perdure test authority' basicConstraints=critical,CA:TRUE -selfsign -keyfile ca.key.pem
certificate stranger stranger basicConstraints=critical,CA:TRUE -selfsign -keyfile stranger.key.pem
certificate server localhost subjectAltName=DNS:localhost,IP:127.0.0.1 -cert ca.pem -keyfile ca.key.pem
certificate client client extendedKeyUsage=clientAuth -cert ca.pem -keyfile ca.key.pem
rm -r ca.key.pem "$work"
