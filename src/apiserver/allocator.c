/*
 * Addresses and node ports of services. Which are taken is kept in memory and comes from the stored services at start;
 * an address is reserved before its service is stored, and given back when the service goes.
 */
#include <arpa/inet.h>

#include "apiserver/strategy.h"
#include "base/mem.h"

#define NODE_PORT_FIRST 30000
#define NODE_PORT_LAST 32767

struct allocator {
    char *cidr;
    uint32_t base, size;                /* host order */
    char first[INET_ADDRSTRLEN];

    struct mutex mu;                    /* a leaf; guards all below */
    uint8_t *taken;                     /* one bit per address */
    uint8_t ports[(NODE_PORT_LAST - NODE_PORT_FIRST) / 8 + 1];
    uint32_t next;
    unsigned next_port;
};

static bool bit(const uint8_t *map, uint32_t i) { return map[i / 8] >> (i % 8) & 1; }
static void bit_set(uint8_t *map, uint32_t i, bool on)
{
    if (on)
        map[i / 8] |= (uint8_t)(1u << (i % 8));
    else
        map[i / 8] &= (uint8_t)~(1u << (i % 8));
}

static void address_text(const struct allocator *al, uint32_t i, char out[INET_ADDRSTRLEN])
{
    struct in_addr a = { htonl(al->base + i) };

    (void)inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
}

static bool address_index(const struct allocator *al, const char *text, uint32_t *out)
{
    struct in_addr a;

    if (inet_pton(AF_INET, text, &a) != 1)
        return false;
    uint32_t host = ntohl(a.s_addr);
    if (host < al->base || host - al->base >= al->size)
        return false;
    *out = host - al->base;
    return true;
}

struct allocator *allocator_new(const char *cidr, struct err *e)
{
    struct str ip, bits;
    int64_t n = 0;
    struct in_addr a;
    AUTO_MEM char *text = NULL;

    bool cut = str_cut(str_of(cidr), '/', &ip, &bits);
    text = xstrndup(ip.p, ip.n);
    if (!cut || inet_pton(AF_INET, text, &a) != 1 || !str_to_i64(bits, &n) || n < 12 || n > 28) {
        (void)err_set(e, ERR_BAD_REQUEST, "service range %s: expected an IPv4 range with 12 to 28 bits, such as 127.96.0.0/16", cidr);
        return NULL;
    }
    struct allocator *al = xzalloc(sizeof *al);
    al->size = 1u << (32 - n);
    al->base = ntohl(a.s_addr) & ~(al->size - 1);
    al->cidr = xstrdup(cidr);
    al->taken = xcalloc(al->size / 8 + 1, 1);
    al->next = 2 + (uint32_t)(random_u64() % (al->size - 3));   /* as upstream at random: two clusters of one range seldom meet on one machine */
    bit_set(al->taken, 0, true);                /* the network, the kubernetes service, the broadcast address */
    bit_set(al->taken, 1, true);
    bit_set(al->taken, al->size - 1, true);
    address_text(al, 1, al->first);
    mutex_init(&al->mu);
    return al;
}

void allocator_free(struct allocator *al)
{
    if (!al)
        return;
    mutex_done(&al->mu);
    free(al->taken);
    free(al->cidr);
    free(al);
}

const char *allocator_first(const struct allocator *al) { return al->first; }

static void note_service(struct allocator *al, const json_t *service, bool on)
{
    const char *ip = json_str_at(service, "spec", "clusterIP", NULL);
    uint32_t i;
    size_t k;
    json_t *p;
    LOCK_SCOPE(&al->mu);

    if (ip && address_index(al, ip, &i) && i > 1)
        bit_set(al->taken, i, on);
    json_array_foreach(at(service, "spec.ports"), k, p) {
        int64_t port = json_int(p, "nodePort", 0);
        if (port >= NODE_PORT_FIRST && port <= NODE_PORT_LAST)
            bit_set(al->ports, (uint32_t)(port - NODE_PORT_FIRST), on);
    }
}

static bool holds_port(const json_t *service, int64_t port)
{
    size_t k;
    json_t *p;

    json_array_foreach(at(service, "spec.ports"), k, p)
        if (json_int(p, "nodePort", 0) == port)
            return true;
    return false;
}

void allocator_settle(struct req *r, const json_t *kept, const json_t *dropped)
{
    struct allocator *al = r->s->allocator;
    const char *ip = json_str_at(dropped, "spec", "clusterIP", NULL);
    uint32_t i;
    size_t k;
    json_t *p;
    LOCK_SCOPE(&al->mu);

    if (str_set(ip) && !streq(ip, json_str_at(kept, "spec", "clusterIP", NULL)) && address_index(al, ip, &i) && i > 1)
        bit_set(al->taken, i, false);
    json_array_foreach(at(dropped, "spec.ports"), k, p) {
        int64_t port = json_int(p, "nodePort", 0);
        if (port >= NODE_PORT_FIRST && port <= NODE_PORT_LAST && !holds_port(kept, port))
            bit_set(al->ports, (uint32_t)(port - NODE_PORT_FIRST), false);
    }
}

static bool load_one(void *arg, const struct store_row *row)
{
    AUTO_JSON o = NULL;
    struct err ignored;

    if (!json_parse(row->text, &o, &ignored))
        note_service(arg, o, true);
    return true;
}

errc allocator_load(struct allocator *al, struct store *store, struct err *e)
{
    return store_list(store, &(struct store_list){ .resource = "services" }, load_one, al, NULL, e);
}

void allocator_release(struct req *r, const json_t *service)
{
    note_service(r->s->allocator, service, false);
}

static bool take_free(struct allocator *al, char out[INET_ADDRSTRLEN])
{
    LOCK_SCOPE(&al->mu);
    for (uint32_t tried = 0; tried < al->size; tried++) {
        uint32_t i = al->next;
        al->next = al->next + 1 < al->size ? al->next + 1 : 2;
        if (bit(al->taken, i))
            continue;
        bit_set(al->taken, i, true);
        address_text(al, i, out);
        return true;
    }
    return false;
}

static errc bad_address(struct req *r, const json_t *service, const char *ip, const char *why)
{
    AUTO_FIELD_ERRORS l = { 0 };
    const char *name = json_str_at(service, "metadata", "name", NULL);

    field_error_add(&l, FIELD_INVALID_VALUE, "spec.clusterIPs", arena_printf(r->a, "[]string{\"%s\"}", ip), "failed to allocate IP %s: %s", ip, why);
    return fail_invalid(r, "", "Service", name ? name : "", &l);
}

static errc take_address(struct req *r, json_t *service)
{
    struct allocator *al = r->s->allocator;
    json_t *spec = json_sub(service, "spec"), *ips = json_array();
    const char *ip = json_cstr(spec, "clusterIP");
    char text[INET_ADDRSTRLEN] = "";
    uint32_t i = 0;

    json_arena_own(r->a, ips);
    if (str_set(ip) && !streq(ip, "None")) {
        if (!address_index(al, ip, &i))
            return bad_address(r, service, ip, arena_printf(r->a, "the provided IP (%s) is not in the valid range. The range of valid IPs is %s",
                                                             ip, al->cidr));
        LOCK_SCOPE(&al->mu);
        if (bit(al->taken, i))
            return bad_address(r, service, ip, "provided IP is already allocated");
        if (!r->dry_run)
            bit_set(al->taken, i, true);
    } else if (!str_set(ip)) {
        if (!take_free(al, text))
            return fail_internal(r, "failed to allocate a serviceIP: range is full");
        json_put_str(spec, "clusterIP", text);
        if (r->dry_run && address_index(al, text, &i)) {
            LOCK_SCOPE(&al->mu);
            bit_set(al->taken, i, false);
        }
    }
    json_push(ips, json_incref(json_object_get(spec, "clusterIP")));
    json_put(spec, "clusterIPs", json_incref(ips));
    return ERR_OK;
}

#define NODE_PORTS (NODE_PORT_LAST - NODE_PORT_FIRST + 1)

/* What a port of the Service had before: the number that it asks for, or that of the same port when it asks for none; 0: nothing. */
static int64_t port_before(const json_t *old, const json_t *port)
{
    int64_t wanted = json_int(port, "nodePort", 0), found = 0;
    size_t i;
    json_t *was;

    json_array_foreach(at(old, "spec.ports"), i, was) {
        int64_t had = json_int(was, "nodePort", 0), now = wanted ? wanted : found;
        if (now ? had == now : had && json_int(was, "port", 0) == json_int(port, "port", 0))
            found = had;
    }
    return found;
}

static const char *port_problem_locked(struct allocator *al, int64_t port)
{
    mutex_assert_held(&al->mu);
    if (port < NODE_PORT_FIRST || port > NODE_PORT_LAST)
        return "provided port is not in the valid range. The range of valid ports is 30000-32767";
    return bit(al->ports, (uint32_t)(port - NODE_PORT_FIRST)) ? "provided port is already allocated" : NULL;
}

/* A free one, going round; 0: all are taken. */
static int64_t next_port_locked(struct allocator *al)
{
    mutex_assert_held(&al->mu);
    for (unsigned tried = 0; tried < NODE_PORTS; tried++) {
        unsigned i = al->next_port++ % NODE_PORTS;
        if (!bit(al->ports, i))
            return NODE_PORT_FIRST + i;
    }
    return 0;
}

static errc take_port_locked(struct req *r, const json_t *service, size_t i, json_t *p)
{
    struct allocator *al = r->s->allocator;
    int64_t port = json_int(p, "nodePort", 0);
    const char *problem = port ? port_problem_locked(al, port) : NULL;

    if (problem) {
        AUTO_FIELD_ERRORS l = { 0 };
        field_error_add(&l, FIELD_INVALID_VALUE, arena_printf(r->a, "spec.ports[%zu].nodePort", i), arena_printf(r->a, "%lld", (long long)port),
                        "%s", problem);
        return fail_invalid(r, "", "Service", json_str_at(service, "metadata", "name", NULL), &l);
    }
    port = port ? port : next_port_locked(al);
    if (!port)
        return fail_internal(r, "failed to allocate a nodePort: range is full");
    if (!r->dry_run)
        bit_set(al->ports, (uint32_t)(port - NODE_PORT_FIRST), true);
    json_put_int(p, "nodePort", port);
    return ERR_OK;
}

static errc take_ports(struct req *r, json_t *service, const json_t *old)
{
    size_t i;
    json_t *p;
    LOCK_SCOPE(&r->s->allocator->mu);

    json_array_foreach(at(service, "spec.ports"), i, p) {
        int64_t before = port_before(old, p);
        if (before)
            json_put_int(p, "nodePort", before);
        else
            TRY(take_port_locked(r, service, i, p));
    }
    return ERR_OK;
}

errc allocator_service(struct req *r, json_t *service, const json_t *old)
{
    json_t *spec = json_sub(service, "spec");
    const char *type = json_cstr(spec, "type");
    bool had = old && str_set(json_str_at(old, "spec", "clusterIP", NULL));

    if (streq(type, "ExternalName"))
        return ERR_OK;
    if (!had)
        TRY(take_address(r, service));
    if (streq(type, "NodePort") || streq(type, "LoadBalancer"))
        return take_ports(r, service, old);
    return ERR_OK;
}
