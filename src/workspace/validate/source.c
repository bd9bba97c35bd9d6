/* Data sources and destinations: URLs, docker references, volumes. Rules C55 to C60. */
#include "workspace/validate/priv.h"

#include <arpa/inet.h>

static bool host_is_local(struct str host)
{
    static const char *const names[] = { "localhost", "metadata.google.internal", "metadata.google", "instance-data.ec2.internal" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(host, str_of(names[i])))
            return true;
    return host.n >= 10 && str_ieq(str_from(host, host.n - 10), STR(".localhost"));
}

static bool ipv4_is_private(const uint8_t b[4])
{
    return b[0] == 127 || b[0] == 10 || (b[0] == 172 && b[1] >= 16 && b[1] < 32) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 169 && b[1] == 254) || (b[0] == 224 && b[1] == 0 && b[2] == 0);
}

static bool address_is_private(struct str host)
{
    char text[64];
    struct in_addr a4;
    struct in6_addr a6;
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

    if (host.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", STR_ARG(host));
    if (inet_pton(AF_INET, text, &a4) == 1)
        return ipv4_is_private((const uint8_t *)&a4);
    if (inet_pton(AF_INET6, text, &a6) != 1)
        return false;
    const uint8_t *b = a6.s6_addr;

    if (memcmp(b, mapped, sizeof mapped) == 0)
        return ipv4_is_private(b + 12);
    return IN6_IS_ADDR_LOOPBACK(&a6) || (b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) ||
           (b[0] == 0xFF && (b[1] & 0x0F) == 2);
}

/* NULL: fine. Upstream's list of refused hosts, no less and no more (dossier T42). */
static const char *url_problem(struct str url, bool allow_private)
{
    AUTO(go_url_done) struct go_url u = { 0 };
    struct str address, zone;

    if (!go_url_parse(url, &u) || !u.has_host)
        return "invalid data source URL";
    if (!str_ieq(u.scheme, STR("http")) && !str_ieq(u.scheme, STR("https")))
        return "data source URL must use HTTP or HTTPS";
    if (allow_private)
        return NULL;
    if (host_is_local(buf_str(&u.hostname)))
        return "data source URL must not target a local or metadata endpoint";
    str_cut(buf_str(&u.hostname), '%', &address, &zone);
    return address_is_private(address) ? "data source URL must not target a loopback, private, or link-local address" : NULL;
}

/* ---- sources and destinations ------------------------------------------------------------------------------------------ */

#define ONE_SOURCE "Exactly one of URLs, Volume, or Image must be specified"

static void add_below(struct check *c, const char *prefix, const char *part, const char *message)
{
    AUTO_BUF path = { 0 };

    buf_addf(&path, "%s.%s", prefix, part);
    problem_add(c->out, buf_cstr(&path), "%s", message);
}

void check_source_image(struct check *c, const struct ws_source *s, const char *prefix)
{
    AUTO_BUF why = { 0 }, text = { 0 };

    if (s->image.n == 0 || !image_is_bad(s->image, &why))
        return;
    buf_addf(&text, "invalid value: Unable to parse input image reference: %s", buf_cstr(&why));
    add_below(c, prefix, "Image", buf_cstr(&text));
}

void check_source(struct check *c, const struct ws_source *s, const char *prefix)
{
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i < s->n_urls && !c->v1alpha1; i++) {
        const char *problem = url_problem(s->urls[i], c->env->settings->allow_private_urls);

        if (!problem)
            continue;
        buf_clear(&text);
        buf_addf(&text, "invalid value: %s", problem);
        add_below(c, prefix, "URLs", buf_cstr(&text));
    }
    check_source_image(c, s, prefix);
    if (s->volume && !json_is_object(s->volume))
        add_below(c, prefix, "Volume", "invalid value: must be a volume source");
    if ((s->n_urls > 0) + (s->volume != NULL) + (s->image.n > 0) != 1) {
        add_below(c, prefix, "URLs", ONE_SOURCE);
        add_below(c, prefix, "Volume", ONE_SOURCE);
        add_below(c, prefix, "Image", ONE_SOURCE);
    }
}

void check_destination_image(struct check *c, const struct ws_destination *d)
{
    AUTO_BUF why = { 0 };

    if (d->image.n > 0 && image_is_bad(d->image, &why))
        problem_add(c->out, "tuning.Output.Image", "invalid value: Unable to parse output image reference: %s", buf_cstr(&why));
}

void check_destination(struct check *c, const struct ws_destination *d)
{
    check_destination_image(c, d);
    if (d->image.n > 0 && d->image_push_secret.n == 0)
        problem_add(c->out, "tuning.Output.Must specify imagePushSecret with destination image", MISSING);
    if (d->volume && !json_is_object(d->volume))
        problem_add(c->out, "tuning.Output.Volume", "invalid value: must be a volume source");
    if ((d->volume != NULL) + (d->image.n > 0) != 1)
        problem_add(c->out, "tuning.Output.Exactly one of Volume or Image must be specified", MISSING);
}
