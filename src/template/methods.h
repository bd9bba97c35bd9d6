/* The methods of methods.c's table, by the file that holds them. */
#ifndef TEMPLATE_METHODS_H
#define TEMPLATE_METHODS_H

#include "template/priv.h"

typedef errc method_fn(struct render *r, struct val self, const struct args *args, struct val *out);

method_fn m_strip, m_lstrip, m_rstrip, m_upper, m_lower, m_title, m_capitalize, m_split, m_rsplit,
          m_splitlines, m_startswith, m_endswith, m_removeprefix, m_removesuffix, m_replace, m_find, m_rfind,
          m_count, m_join, m_isdigit, m_isalpha, m_isalnum, m_isspace, m_isupper, m_islower, m_format, m_ljust, m_rjust,
          m_center, m_zfill, m_expandtabs, m_partition, m_rpartition, m_find_or_fail, m_swapcase, m_casefold, m_isascii, m_isidentifier,
          m_istitle, m_isnumeric;    /* methods_str.c */
method_fn m_get, m_keys, m_values, m_items, m_copy, m_forbidden, m_index, m_cycle, m_changed;    /* methods_box.c */

#endif
