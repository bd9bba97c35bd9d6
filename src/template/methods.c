/* Methods by type and name: a new one is a function and a row. */
#include "template/methods.h"

static const struct { enum val_kind kind; const char *name; method_fn *fn; } methods[] = {
    { VAL_STR, "strip", m_strip }, { VAL_STR, "lstrip", m_lstrip }, { VAL_STR, "rstrip", m_rstrip }, { VAL_STR, "upper", m_upper },
    { VAL_STR, "lower", m_lower }, { VAL_STR, "title", m_title }, { VAL_STR, "capitalize", m_capitalize }, { VAL_STR, "split", m_split },
    { VAL_STR, "rsplit", m_rsplit }, { VAL_STR, "splitlines", m_splitlines }, { VAL_STR, "startswith", m_startswith },
    { VAL_STR, "endswith", m_endswith }, { VAL_STR, "removeprefix", m_removeprefix }, { VAL_STR, "removesuffix", m_removesuffix },
    { VAL_STR, "replace", m_replace }, { VAL_STR, "find", m_find }, { VAL_STR, "rfind", m_rfind }, { VAL_STR, "count", m_count },
    { VAL_STR, "join", m_join }, { VAL_STR, "isdigit", m_isdigit }, { VAL_STR, "isalpha", m_isalpha }, { VAL_STR, "isalnum", m_isalnum },
    { VAL_STR, "isspace", m_isspace }, { VAL_STR, "isupper", m_isupper }, { VAL_STR, "islower", m_islower }, { VAL_STR, "format", m_format },
    { VAL_STR, "ljust", m_ljust }, { VAL_STR, "rjust", m_rjust }, { VAL_STR, "center", m_center }, { VAL_STR, "zfill", m_zfill },
    { VAL_STR, "expandtabs", m_expandtabs }, { VAL_STR, "partition", m_partition }, { VAL_STR, "rpartition", m_rpartition }, { VAL_STR, "index", m_find_or_fail },
    { VAL_STR, "swapcase", m_swapcase }, { VAL_STR, "casefold", m_casefold }, { VAL_STR, "isascii", m_isascii }, { VAL_STR, "isidentifier", m_isidentifier },
    { VAL_STR, "istitle", m_istitle }, { VAL_STR, "isnumeric", m_isnumeric }, { VAL_STR, "isdecimal", m_isdigit },
    { VAL_DICT, "get", m_get }, { VAL_DICT, "keys", m_keys }, { VAL_DICT, "values", m_values }, { VAL_DICT, "items", m_items },
    { VAL_DICT, "copy", m_copy }, { VAL_DICT, "update", m_forbidden }, { VAL_DICT, "pop", m_forbidden }, { VAL_DICT, "popitem", m_forbidden },
    { VAL_DICT, "clear", m_forbidden }, { VAL_DICT, "setdefault", m_forbidden },
    { VAL_LIST, "index", m_index }, { VAL_LIST, "count", m_count }, { VAL_LIST, "copy", m_copy }, { VAL_LIST, "append", m_forbidden },
    { VAL_LIST, "extend", m_forbidden }, { VAL_LIST, "insert", m_forbidden }, { VAL_LIST, "pop", m_forbidden }, { VAL_LIST, "remove", m_forbidden },
    { VAL_LIST, "reverse", m_forbidden }, { VAL_LIST, "sort", m_forbidden }, { VAL_LIST, "clear", m_forbidden },
    { VAL_TUPLE, "index", m_index }, { VAL_TUPLE, "count", m_count }, { VAL_LOOP, "cycle", m_cycle }, { VAL_LOOP, "changed", m_changed },
};

bool method_find(struct render *r, struct val v, struct str name, struct val *out)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].kind == v.kind && str_is(name, methods[i].name)) {
            struct method *m = arena_new_of(r->arena, struct method);
            *m = (struct method){ v, methods[i].fn };
            *out = (struct val){ VAL_METHOD, { .method = m } };
            return true;
        }
    return false;
}
