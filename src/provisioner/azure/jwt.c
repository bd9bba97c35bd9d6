#include "provisioner/azure/jwt.h"

#include "base/hash.h"
#include "base/json.h"
#include "provisioner/azure/secret.h"

static void copy_name(char out[JWT_NAME_MAX], const char *s)
{
    size_t n = 0;

    for (; s && *s && n + 1 < JWT_NAME_MAX; s++)
        out[n++] = *s > ' ' && *s < 0x7f ? *s : '?';
    out[n] = '\0';
}

bool jwt_names_read(struct str token, struct jwt_names *out)
{
    struct str head, rest, claims, signature;
    AUTO_SECRET text = { 0 };
    AUTO_JSON j = NULL;

    *out = (struct jwt_names){ 0 };
    if (!str_cut(token, '.', &head, &rest) || !str_cut(rest, '.', &claims, &signature))
        return false;
    buf_reserve(&text, claims.n + 1);   /* never moved while it grows: no copy is left behind */
    if (!base64_decode(claims, &text) || json_parse(buf_str(&text), &j, NULL))
        return false;
    const json_t *audience = json_object_get(j, "aud");

    copy_name(out->issuer, json_cstr(j, "iss"));
    copy_name(out->subject, json_cstr(j, "sub"));
    copy_name(out->audience, json_string_value(json_is_array(audience) ? json_array_get(audience, 0) : audience));
    return *out->issuer || *out->subject;
}
