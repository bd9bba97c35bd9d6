# A real registry (Debian's docker-registry) of our own on 127.0.0.1:5443, with TLS, a user and a password.

make_certificates() {
    local d=$DIR/registry
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=quickstart-ca" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$d/ca.key" -out "$d/ca.crt" 2>"$d/openssl.log"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=127.0.0.1" \
        -keyout "$d/server.key" -out "$d/server.csr" 2>>"$d/openssl.log"
    openssl x509 -req -in "$d/server.csr" -CA "$d/ca.crt" -CAkey "$d/ca.key" -CAcreateserial -days 30 \
        -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$d/server.crt" 2>>"$d/openssl.log"
    cp "$d/ca.crt" "$d/ca-bundle.pem"
}

write_registry_config() {
    cat >"$DIR/registry/config.yml" <<YAML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $DIR/registry/data}}
auth: {htpasswd: {realm: quickstart, path: $DIR/registry/htpasswd}}
http:
  addr: $REGISTRY
  tls: {certificate: $DIR/registry/server.crt, key: $DIR/registry/server.key}
YAML
}

registry_answers() { curl -fsS --cacert "$DIR/registry/ca.crt" -u "$REGISTRY_USER:$REGISTRY_PASSWORD" "https://$REGISTRY/v2/"; }

start_registry() {
    mkdir -p "$DIR/registry"
    REGISTRY_PASSWORD=$(head -c 12 /dev/urandom | base64 | tr -dc A-Za-z0-9)
    (umask 077 && echo "$REGISTRY_PASSWORD" >"$DIR/registry/password")
    make_certificates
    htpasswd -Bbn "$REGISTRY_USER" "$REGISTRY_PASSWORD" >"$DIR/registry/htpasswd"
    write_registry_config
    if (exec 3<>"/dev/tcp/127.0.0.1/5443") 2>/dev/null; then
        die "port 5443 of this machine is in use by another program; end it and run this again"
    fi
    start registry docker-registry serve "$DIR/registry/config.yml"
    wait_for 20 "the registry" registry_answers
}
