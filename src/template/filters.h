/* The filters of filters.c's table, by the file that holds them. */
#ifndef TEMPLATE_FILTERS_H
#define TEMPLATE_FILTERS_H

#include "template/priv.h"

typedef errc filter_fn(struct render *r, struct val v, const struct args *args, struct val *out);

/* attribute="a.b" or an index, as map, join, sort, sum, groupby take it */
errc attribute_of(struct render *r, struct val v, const struct val *attribute, struct val *out);
/* Stable; attribute (may be NULL) may name several, "a,b"; fallback (may be NULL) stands for an absent one. */
errc sorted(struct render *r, struct list *l, const struct val *attribute, const struct val *fallback, bool sensitive, bool descending, struct val *out);

filter_fn f_abs, f_length, f_default, f_float, f_int, f_round, f_same, f_attr;    /* filters_value.c */
filter_fn f_capitalize, f_escape, f_indent, f_lower, f_replace, f_string, f_title, f_trim, f_upper,
          f_center, f_format, f_striptags, f_truncate, f_urlencode, f_wordcount;    /* filters_text.c */
filter_fn f_batch, f_groupby, f_slice;    /* filters_shape.c */
filter_fn f_dictsort, f_first, f_items, f_join, f_last, f_list, f_map, f_max, f_min, f_reject, f_rejectattr,
          f_reverse, f_select, f_selectattr, f_sort, f_sum, f_unique;    /* filters_list.c */
filter_fn f_tojson;    /* tojson.c */

#endif
