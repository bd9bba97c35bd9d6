/* The filters of filters.c's table, by the file that holds them. */
#ifndef TEMPLATE_FILTERS_H
#define TEMPLATE_FILTERS_H

#include "template/priv.h"

typedef errc filter_fn(struct render *r, struct val v, const struct args *args, struct val *out);

/* Filters of text take any value's str(). */
errc as_text(struct render *r, struct val v, struct str *out);

filter_fn f_abs, f_length, f_default, f_float, f_int, f_round, f_same;    /* filters_value.c */
filter_fn f_capitalize, f_escape, f_indent, f_lower, f_replace, f_string, f_title, f_trim, f_upper;    /* filters_text.c */
filter_fn f_dictsort, f_first, f_items, f_join, f_last, f_list, f_map, f_max, f_min, f_reject, f_rejectattr,
          f_reverse, f_select, f_selectattr, f_sort, f_sum, f_unique;    /* filters_list.c */
filter_fn f_tojson;    /* tojson.c */

#endif
