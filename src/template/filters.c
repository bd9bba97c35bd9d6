/* Filters by name: a new one is a function and a row. */
#include "template/filters.h"

static const struct filter filters[] = {
    { "abs", f_abs }, { "attr", f_attr }, { "batch", f_batch }, { "capitalize", f_capitalize }, { "center", f_center }, { "count", f_length }, { "d", f_default }, { "default", f_default },
    { "dictsort", f_dictsort }, { "e", f_escape }, { "escape", f_escape }, { "first", f_first }, { "forceescape", f_escape }, { "format", f_format }, { "groupby", f_groupby }, { "float", f_float }, { "indent", f_indent },
    { "int", f_int }, { "items", f_items }, { "join", f_join }, { "last", f_last }, { "length", f_length }, { "list", f_list },
    { "lower", f_lower }, { "map", f_map }, { "max", f_max }, { "min", f_min }, { "reject", f_reject }, { "rejectattr", f_rejectattr },
    { "replace", f_replace }, { "reverse", f_reverse }, { "round", f_round }, { "safe", f_same }, { "select", f_select },
    { "selectattr", f_selectattr }, { "slice", f_slice }, { "sort", f_sort }, { "striptags", f_striptags }, { "string", f_string }, { "sum", f_sum }, { "title", f_title },
    { "tojson", f_tojson }, { "trim", f_trim }, { "truncate", f_truncate }, { "unique", f_unique }, { "upper", f_upper },
    { "urlencode", f_urlencode }, { "wordcount", f_wordcount },
};

const struct filter *filter_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_is(name, filters[i].name))
            return &filters[i];
    return NULL;
}
